"""The `anthropic` package."""

import anthropic

from cells import *

client = anthropic.Anthropic(base_url=BASE, api_key="unused", max_retries=0, timeout=30)
USER = [{"role": "user", "content": HELLO}]
ASK = [{"role": "user", "content": ASK_TOOL}]
TOOL = {"name": "get_weather", "description": "Tells the weather.", "input_schema": WEATHER}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}


def ask(model=CHAT, messages=USER, max_tokens=500, **more):
    return client.messages.create(model=model, messages=messages, max_tokens=max_tokens, **more)


def stream(model=CHAT, messages=USER, max_tokens=500, **more):
    return client.messages.stream(model=model, messages=messages, max_tokens=max_tokens, **more)


@cell("messages")
def _():
    answer = ask()
    (block,) = answer.content
    same((block.type, block.text), ("text", true_text()))
    same((answer.stop_reason, answer.role, answer.model), ("end_turn", "assistant", CHAT))
    assert answer.id.startswith("msg_")
    same((answer.usage.input_tokens, answer.usage.output_tokens), (true_chat()["prompt_eval_count"], 12))


@cell("messages stream")
def _():
    events = list(ask(stream=True))
    block = ["content_block_start", *["content_block_delta"] * 12, "content_block_stop"]
    same([event.type for event in events], ["message_start", *block, "message_delta", "message_stop"])
    same("".join(event.delta.text for event in events[2:14]), true_text())
    with stream() as helper:
        same("".join(helper.text_stream), true_text())
        same(helper.get_final_message().stop_reason, "end_turn")


@cell("usage in streams")
def _():
    with stream() as helper:
        usage = helper.get_final_message().usage
    same((usage.input_tokens, usage.output_tokens), (true_chat()["prompt_eval_count"], 12))


@cell("tools")
def _():
    answer = ask(messages=ASK, tools=[TOOL])
    (call,) = answer.content
    same((answer.stop_reason, call.type, call.name), ("tool_use", "tool_use", "get_weather"))
    fits_weather(call.input)
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "Rain."}
    turns = [*ASK, {"role": "assistant", "content": answer.content}, {"role": "user", "content": [result]}]
    same(ask(messages=turns, tools=[TOOL]).stop_reason, "end_turn")


@cell("tools stream")
def _():
    with stream(messages=ASK, tools=[TOOL]) as helper:
        message = helper.get_final_message()
    same((message.stop_reason, message.content[0].name), ("tool_use", "get_weather"))
    fits_weather(message.content[0].input)


@cell("vision")
def _():
    answer = ask(SEER, [{"role": "user", "content": [{"type": "text", "text": HELLO}, IMAGE]}])
    same(answer.content[0].text, true_text(SEER, message={"images": [PNG]}))
    assert answer.content[0].text != true_text(SEER), "the picture did not arrive"


@cell("thinking")
def _():
    true = true_chat(THINKER, think=True)["message"]
    wanted = {"type": "enabled", "budget_tokens": 1024}
    thought, said = ask(THINKER, max_tokens=2048, thinking=wanted).content
    same((thought.thinking, said.text), (true["thinking"], true["content"]))
    with stream(THINKER, max_tokens=2048, thinking=wanted) as helper:
        thought, said = helper.get_final_message().content
    same((thought.thinking, said.text), (true["thinking"], true["content"]))
    same(len(ask(THINKER, thinking={"type": "disabled"}).content), 1)


@cell("options")
def _():
    cut = ask(max_tokens=5)
    same((cut.stop_reason, cut.usage.output_tokens), ("max_tokens", 5))
    stop = true_text()[4:9]
    stopped = ask(stop_sequences=[stop])
    same(stopped.content[0].text, true_text()[: true_text().index(stop)])


@cell("count_tokens is not there")
def _():
    raises(anthropic.NotFoundError, 404, lambda: client.messages.count_tokens(model=CHAT, messages=USER))


@cell("error: unknown model")
def _():
    error = raises(anthropic.NotFoundError, 404, lambda: ask("absent:1b"))
    same(error.body["error"]["type"], "not_found_error")
    assert "absent:1b" in error.body["error"]["message"]
    raises(anthropic.NotFoundError, 404, lambda: list(ask("absent:1b", stream=True)))


@cell("error: bad request")
def _():
    error = raises(anthropic.BadRequestError, 400, lambda: ask(max_tokens=0))
    same(error.body["error"]["type"], "invalid_request_error")
    raises(anthropic.BadRequestError, 400, lambda: ask(messages=[]))


@cell("error: cut stream", herdwick_only=True)
def _():
    for verb in ({"fin": {"after": 3}}, {"rst": {"after": 3}}, {"errline": {"after": 3}}):
        with scripted(verb):
            try:
                list(ask(stream=True))
            except anthropic.APIError:
                continue
            raise AssertionError(f"{verb}: a cut stream ended as if it were complete")


@cell("error: server failure")
def _():
    with scripted({"status": {"code": 500, "body": "llama runner process has terminated"}}):
        error = raises(anthropic.InternalServerError, 500, ask)
        assert "llama runner process has terminated" in error.body["error"]["message"]


@cell("error: overload")
def _():
    with overload("Authorization: Bearer unused"):
        error = raises(anthropic.ServiceUnavailableError, 503, ask)
        same(error.body["error"]["type"], "overloaded_error")


@cell("error: connection refused")
def _():
    dead = client.with_options(base_url=DEAD)
    raises(anthropic.APIConnectionError, None, lambda: dead.messages.create(model=CHAT, messages=USER, max_tokens=5))


run("anthropic (Python)")
