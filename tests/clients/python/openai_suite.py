"""The `openai` package."""

import base64
import json
import struct

import openai
from pydantic import BaseModel

from cells import *

client = openai.OpenAI(base_url=BASE + "/v1", api_key="unused", max_retries=0, timeout=30)
USER = [{"role": "user", "content": HELLO}]
ASK = [{"role": "user", "content": ASK_TOOL}]
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}}
FLAT_TOOL = {"type": "function", "name": "get_weather", "parameters": WEATHER, "strict": False}
IMAGE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}


def chat(model=CHAT, messages=USER, **more):
    return client.chat.completions.create(model=model, messages=messages, **more)


def sums(usage):
    same(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)
    return usage.completion_tokens


@cell("models list")
def _():
    models = list(client.models.list())
    same(sorted(model.id for model in models), sorted(ALL))
    owners = {model.id: model.owned_by for model in models}
    same((owners[CHAT], {model.object for model in models}), ("library", {"model"}))


@cell("models retrieve")
def _():
    model = client.models.retrieve(CHAT)
    same((model.id, model.object, model.owned_by), (CHAT, "model", "library"))


@cell("models retrieve, slashes", herdwick_only=True)
def _():
    same(client.models.retrieve(SLASHED).id, SLASHED)


@cell("chat")
def _():
    answer = chat()
    (choice,) = answer.choices
    same((choice.message.content, choice.message.role), (true_text(), "assistant"))
    same((choice.finish_reason, answer.object, answer.model), ("stop", "chat.completion", CHAT))
    same((answer.system_fingerprint, answer.id.startswith("chatcmpl-")), ("fp_ollama", True))
    same((sums(answer.usage), answer.usage.prompt_tokens), (12, true_chat()["prompt_eval_count"]))


@cell("chat stream")
def _():
    chunks = list(chat(stream=True))
    same("".join(chunk.choices[0].delta.content or "" for chunk in chunks), true_text())
    same(len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}), 1)
    same([chunk.choices[0].finish_reason for chunk in chunks], [None] * 12 + ["stop"])
    same({chunk.object for chunk in chunks}, {"chat.completion.chunk"})
    same(chunks[0].choices[0].delta.role, "assistant")


@cell("usage in streams")
def _():
    chunks = list(chat(stream=True, stream_options={"include_usage": True}))
    same([chunk.usage is None for chunk in chunks], [True] * 13 + [False])
    same((chunks[-1].choices, sums(chunks[-1].usage)), ([], 12))
    assert all(chunk.usage is None for chunk in chat(stream=True)), "usage that nobody asked for"


@cell("tools")
def _():
    (choice,) = chat(messages=ASK, tools=[TOOL]).choices
    (call,) = choice.message.tool_calls
    same((choice.finish_reason, call.type, call.function.name), ("tool_calls", "function", "get_weather"))
    fits_weather(json.loads(call.function.arguments))
    result = {"role": "tool", "tool_call_id": call.id, "content": "Rain."}
    after = chat(messages=[*ASK, choice.message, result], tools=[TOOL]).choices[0]
    same((after.finish_reason, after.message.tool_calls), ("stop", None))


@cell("tools stream")
def _():
    chunks = list(chat(messages=ASK, tools=[TOOL], stream=True))
    calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
    same([(call.index, call.function.name) for call in calls], [(0, "get_weather")])
    fits_weather(json.loads(calls[0].function.arguments))
    same(chunks[-1].choices[0].finish_reason, "tool_calls")
    with client.chat.completions.stream(model=CHAT, messages=ASK, tools=[TOOL]) as stream:
        final = stream.get_final_completion()
    fits_weather(json.loads(final.choices[0].message.tool_calls[0].function.arguments))


@cell("vision")
def _():
    answer = chat(SEER, [{"role": "user", "content": [{"type": "text", "text": HELLO}, IMAGE]}])
    same(answer.choices[0].message.content, true_text(SEER, message={"images": [PNG]}))
    assert answer.choices[0].message.content != true_text(SEER), "the picture did not arrive"


@cell("JSON mode")
def _():
    text = chat(response_format={"type": "json_object"}).choices[0].message.content
    same(json.loads(text), json.loads(true_text(format="json")))


@cell("JSON schema")
def _():
    class Sheep(BaseModel):
        name: str
        age: int

    answer = client.chat.completions.parse(model=CHAT, messages=USER, response_format=Sheep)
    sheep = answer.choices[0].message.parsed
    same(sheep.model_dump(), json.loads(true_text(format=Sheep.model_json_schema())))


@cell("thinking")
def _():
    true = true_chat(THINKER, think=True)["message"]
    message = chat(THINKER, reasoning_effort="high").choices[0].message
    same((message.reasoning, message.content), (true["thinking"], true["content"]))
    assert not hasattr(chat(THINKER, reasoning_effort="none").choices[0].message, "reasoning")
    deltas = [chunk.choices[0].delta for chunk in chat(THINKER, stream=True)]
    same("".join(getattr(delta, "reasoning", "") for delta in deltas), true["thinking"])


@cell("options")
def _():
    cut = chat(max_tokens=5)
    same((cut.choices[0].finish_reason, cut.usage.completion_tokens), ("length", 5))
    same(chat(seed=7, temperature=0.2).choices[0].message.content, true_text(options={"seed": 7}))
    stop = true_text()[4:9]
    same(chat(stop=[stop]).choices[0].message.content, true_text()[: true_text().index(stop)])


@cell("logprobs")
def _():
    (choice,) = chat(logprobs=True, top_logprobs=2).choices
    same("".join(entry.token for entry in choice.logprobs.content), choice.message.content)
    same({len(entry.top_logprobs) for entry in choice.logprobs.content}, {2})


@cell("completions")
def _():
    answer = client.completions.create(model=CHAT, prompt=HELLO)
    true = truth("/api/generate", {"model": CHAT, "prompt": HELLO, "stream": False})
    same((answer.choices[0].text, answer.object), (true["response"], "text_completion"))
    same((answer.choices[0].finish_reason, sums(answer.usage)), ("stop", 12))


@cell("completions stream")
def _():
    options = {"include_usage": True}
    chunks = list(client.completions.create(model=CHAT, prompt=HELLO, stream=True, stream_options=options))
    true = truth("/api/generate", {"model": CHAT, "prompt": HELLO, "stream": False})
    same("".join(choice.text for chunk in chunks for choice in chunk.choices), true["response"])
    same(len({chunk.id for chunk in chunks}), 1)
    same(sums(chunks[-1].usage), 12)


@cell("responses")
def _():
    answer = client.responses.create(model=CHAT, input=HELLO)
    same((answer.output_text, answer.status, answer.object), (true_text(), "completed", "response"))
    same((answer.usage.output_tokens, answer.usage.total_tokens), (12, answer.usage.input_tokens + 12))
    parts = [{"type": "input_text", "text": HELLO}, {"type": "input_image", "detail": "auto", "image_url": IMAGE["image_url"]["url"]}]
    seen = client.responses.create(model=SEER, input=[{"role": "user", "content": parts}])
    same(seen.output_text, true_text(SEER, message={"images": [PNG]}))


@cell("responses stream")
def _():
    events = list(client.responses.create(model=CHAT, input=HELLO, stream=True))
    same([event.sequence_number for event in events], list(range(len(events))))
    same((events[0].type, events[-1].type), ("response.created", "response.completed"))
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    same(("".join(deltas), events[-1].response.output_text), (true_text(), true_text()))
    same(len({event.response.id for event in events if hasattr(event, "response")}), 1)
    with client.responses.stream(model=CHAT, input=HELLO) as stream:
        same(stream.until_done().get_final_response().output_text, true_text())


@cell("responses tools")
def _():
    answer = client.responses.create(model=CHAT, input=ASK_TOOL, tools=[FLAT_TOOL])
    (call,) = answer.output
    same((call.type, call.name), ("function_call", "get_weather"))
    fits_weather(json.loads(call.arguments))
    events = list(client.responses.create(model=CHAT, input=ASK_TOOL, tools=[FLAT_TOOL], stream=True))
    done = [event for event in events if event.type == "response.function_call_arguments.done"]
    fits_weather(json.loads(done[0].arguments))
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "Rain."}
    after = client.responses.create(model=CHAT, input=[*ASK, call, output], tools=[FLAT_TOOL])
    same(after.output[0].type, "message")


@cell("transcriptions")
def _():
    heard = client.audio.transcriptions.create(model=HEARER, file=("a.wav", b"RIFF sheep"))
    assert heard.text.strip(), heard
    other = client.audio.transcriptions.create(model=HEARER, file=("a.wav", b"RIFF dogs"))
    assert other.text != heard.text, "the sound did not arrive"
    plain = client.audio.transcriptions.create(model=HEARER, file=("a.wav", b"RIFF sheep"), response_format="text")
    same(plain, heard.text)


@cell("embed single")
def _():
    true = truth("/v1/embeddings", {"model": EMBEDDER, "input": HELLO})
    answer = client.embeddings.create(model=EMBEDDER, input=HELLO)
    near = max(abs(a - b) for a, b in zip(answer.data[0].embedding, true["data"][0]["embedding"], strict=True))
    assert near < 1e-6, "the client asks for base64 unless told otherwise"
    same((answer.model, answer.usage.total_tokens), (EMBEDDER, true["usage"]["total_tokens"]))
    coded = client.embeddings.create(model=EMBEDDER, input=HELLO, encoding_format="base64", dimensions=4)
    same(len(struct.unpack("<4f", base64.b64decode(coded.data[0].embedding))), 4)


@cell("embed batch")
def _():
    texts = ["a ewe", "a tup", "a lamb"]
    answer = client.embeddings.create(model=EMBEDDER, input=texts, encoding_format="float")
    same([row.index for row in answer.data], [0, 1, 2])
    true = truth("/v1/embeddings", {"model": EMBEDDER, "input": texts})
    same([row.embedding for row in answer.data], [row["embedding"] for row in true["data"]])


@cell("error: unknown model")
def _():
    for call in (
        lambda: chat("absent:1b"),
        lambda: list(chat("absent:1b", stream=True)),
        lambda: client.completions.create(model="absent:1b", prompt=HELLO),
        lambda: client.responses.create(model="absent:1b", input=HELLO),
        lambda: client.embeddings.create(model="absent:1b", input=HELLO),
        lambda: client.models.retrieve("absent:1b"),
    ):
        error = raises(openai.NotFoundError, 404, call)
        same(error.type, "not_found_error")
        assert "absent:1b" in error.message


@cell("error: bad request")
def _():
    error = raises(openai.BadRequestError, 400, lambda: chat(messages=[]))
    same(error.type, "invalid_request_error")
    error = raises(openai.BadRequestError, 400, lambda: chat(reasoning_effort="high"))
    assert "does not support thinking" in error.message


@cell("error: cut stream", herdwick_only=True)
def _():
    for verb in ({"fin": {"after": 3}}, {"rst": {"after": 3}}, {"errline": {"after": 3}}):
        with scripted(verb):
            raises(openai.APIError, None, lambda: list(chat(stream=True)))
            completions = lambda: client.completions.create(model=CHAT, prompt=HELLO, stream=True)
            raises(openai.APIError, None, lambda: list(completions()))


@cell("error: cut responses", herdwick_only=True)
def _():
    for verb in ({"fin": {"after": 3}}, {"rst": {"after": 3}}, {"errline": {"after": 3}}):
        with scripted(verb):
            last = list(client.responses.create(model=CHAT, input=HELLO, stream=True))[-1]
            same((last.type, last.response.status), ("response.failed", "failed"))
            assert last.response.error.message, last


@cell("error: server failure")
def _():
    with scripted({"status": {"code": 500, "body": "llama runner process has terminated"}}):
        error = raises(openai.InternalServerError, 500, chat)
        assert "llama runner process has terminated" in error.message


@cell("error: overload")
def _():
    with overload("Authorization: Bearer unused"):
        raises(openai.InternalServerError, 503, chat)


@cell("error: connection refused")
def _():
    dead = client.with_options(base_url=DEAD + "/v1")
    raises(openai.APIConnectionError, None, lambda: dead.models.list())


run("openai (Python)")
