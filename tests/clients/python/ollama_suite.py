"""The `ollama` package."""

import json

import ollama
from pydantic import BaseModel

from cells import *

client = ollama.Client(host=BASE)
USER = [{"role": "user", "content": HELLO}]


def get_weather(city: str, days: int) -> str:
    """Tells the weather.

    Args:
      city: Where.
      days: How far ahead.
    """


TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}}


@cell("list")
def _():
    models = client.list().models
    same(sorted(model.model for model in models), sorted(ALL))
    truths = {model["name"]: model for model in truth("/api/tags")["models"]}
    for model in models:
        same((model.digest, model.size), (truths[model.model]["digest"], truths[model.model]["size"]))
        same(model.details.quantization_level, "Q4_K_M")


@cell("show")
def _():
    shown, true = client.show(THINKER), truth("/api/show", {"model": THINKER})
    same(shown.capabilities, ["completion", "tools", "thinking"])
    same(shown.modelinfo["llama.context_length"], 4096)
    same((shown.template, shown.modelinfo), (true["template"], true["model_info"]))
    same(client.show(SLASHED).details.family, "llama")


@cell("ps")
def _():
    running = client.ps().models
    assert {CHAT, THINKER} <= {model.model for model in running}, running
    assert all(model.size_vram == model.size and model.expires_at for model in running)


@cell("chat")
def _():
    answer = client.chat(CHAT, USER)
    true = true_chat()
    same(answer.message.content, true["message"]["content"])
    same((answer.model, answer.done, answer.done_reason, answer.message.role), (CHAT, True, "stop", "assistant"))
    same((answer.prompt_eval_count, answer.eval_count), (true["prompt_eval_count"], 12))
    assert answer.total_duration > 0


@cell("chat stream")
def _():
    parts = list(client.chat(CHAT, USER, stream=True))
    same("".join(part.message.content for part in parts), true_text())
    same([part.done for part in parts], [False] * 12 + [True])
    same(parts[-1].done_reason, "stop")


@cell("usage in streams")
def _():
    last = list(client.chat(CHAT, USER, stream=True))[-1]
    same((last.prompt_eval_count, last.eval_count), (true_chat()["prompt_eval_count"], 12))


@cell("generate")
def _():
    answer = client.generate(CHAT, HELLO)
    same(answer.response, truth("/api/generate", {"model": CHAT, "prompt": HELLO, "stream": False})["response"])
    same((answer.done_reason, answer.eval_count), ("stop", 12))
    assert answer.context


@cell("generate stream")
def _():
    parts = list(client.generate(CHAT, HELLO, stream=True))
    whole = truth("/api/generate", {"model": CHAT, "prompt": HELLO, "stream": False})["response"]
    same("".join(part.response for part in parts), whole)
    same((len(parts), parts[-1].done), (13, True))


@cell("tools")
def _():
    answer = client.chat(CHAT, [{"role": "user", "content": ASK_TOOL}], tools=[TOOL])
    (call,) = answer.message.tool_calls
    same(call.function.name, "get_weather")
    fits_weather(dict(call.function.arguments))
    from_function = client.chat(CHAT, [{"role": "user", "content": ASK_TOOL}], tools=[get_weather])
    same(sorted(from_function.message.tool_calls[0].function.arguments), ["city", "days"])
    after = [{"role": "user", "content": ASK_TOOL}, answer.message, {"role": "tool", "content": "Rain."}]
    assert client.chat(CHAT, after, tools=[TOOL]).message.content


@cell("tools stream")
def _():
    parts = list(client.chat(CHAT, [{"role": "user", "content": ASK_TOOL}], tools=[TOOL], stream=True))
    calls = [call for part in parts for call in part.message.tool_calls or []]
    same([call.function.name for call in calls], ["get_weather"])
    fits_weather(dict(calls[0].function.arguments))


@cell("vision")
def _():
    message = {"role": "user", "content": HELLO, "images": [PNG]}
    answer = client.chat(SEER, [message])
    same(answer.message.content, true_text(SEER, message={"images": [PNG]}))
    assert answer.message.content != true_text(SEER), "the picture did not arrive"
    same(answer.prompt_eval_count, true_chat(SEER)["prompt_eval_count"] + 768)


@cell("JSON mode")
def _():
    text = client.chat(CHAT, USER, format="json").message.content
    same(json.loads(text), json.loads(true_text(format="json")))


@cell("JSON schema")
def _():
    class Sheep(BaseModel):
        name: str
        age: int

    text = client.chat(CHAT, USER, format=Sheep.model_json_schema()).message.content
    same(Sheep.model_validate_json(text).model_dump(), json.loads(true_text(format=Sheep.model_json_schema())))


@cell("thinking")
def _():
    message = client.chat(THINKER, USER, think=True).message
    true = true_chat(THINKER, think=True)["message"]
    same((message.thinking, message.content), (true["thinking"], true["content"]))
    same(client.chat(THINKER, USER, think=False).message.thinking, None)
    parts = list(client.chat(THINKER, USER, stream=True, think="high"))
    same("".join(part.message.thinking or "" for part in parts), true["thinking"])


@cell("options")
def _():
    cut = client.chat(CHAT, USER, options={"num_predict": 5})
    same((cut.done_reason, cut.eval_count), ("length", 5))
    assert true_text().startswith(cut.message.content)
    seeded = client.chat(CHAT, USER, options={"seed": 7, "temperature": 0.2}).message.content
    same(seeded, true_text(options={"seed": 7}))
    assert seeded != true_text()
    stop = true_text()[4:9]
    same(client.chat(CHAT, USER, options={"stop": [stop]}).message.content, true_text()[: true_text().index(stop)])


@cell("logprobs")
def _():
    answer = client.chat(CHAT, USER, logprobs=True, top_logprobs=2)
    same("".join(entry.token for entry in answer.logprobs), answer.message.content)
    same({len(entry.top_logprobs) for entry in answer.logprobs}, {2})


@cell("load")
def _():
    answer = client.generate(COLD, keep_alive="10m")
    same((answer.done_reason, answer.response), ("load", ""))
    eventually(lambda: COLD in [model.model for model in client.ps().models])
    same(client.chat(COLD, []).done_reason, "load")


@cell("unload")
def _():
    same(client.generate(COLD, keep_alive=0).done_reason, "unload")
    eventually(lambda: COLD not in [model.model for model in client.ps().models])


@cell("embed single")
def _():
    answer = client.embed(EMBEDDER, HELLO)
    true = truth("/api/embed", {"model": EMBEDDER, "input": HELLO})
    same([list(vector) for vector in answer.embeddings], true["embeddings"])
    same((answer.model, answer.prompt_eval_count), (EMBEDDER, true["prompt_eval_count"]))
    short = client.embed(EMBEDDER, HELLO, dimensions=4)
    same(len(short.embeddings[0]), 4)


@cell("embed batch")
def _():
    texts = ["a ewe", "a tup", "a lamb"]
    answer = client.embed(EMBEDDER, texts)
    same([list(v) for v in answer.embeddings], truth("/api/embed", {"model": EMBEDDER, "input": texts})["embeddings"])


@cell("legacy embeddings")
def _():
    answer = client.embeddings(EMBEDDER, HELLO)
    same(list(answer.embedding), truth("/api/embeddings", {"model": EMBEDDER, "prompt": HELLO})["embedding"])


@cell("error: unknown model")
def _():
    for call in (
        lambda: client.chat("absent:1b", USER),
        lambda: client.generate("absent:1b", HELLO),
        lambda: client.embed("absent:1b", HELLO),
        lambda: client.show("absent:1b"),
        lambda: list(client.chat("absent:1b", USER, stream=True)),
    ):
        assert "absent:1b" in raises(ollama.ResponseError, 404, call).error


@cell("error: bad request")
def _():
    error = raises(ollama.ResponseError, 400, lambda: client.chat(CHAT, USER, think=True))
    assert "does not support thinking" in error.error, error
    error = raises(ollama.ResponseError, 400, lambda: client.chat(EMBEDDER, USER))
    assert "does not support chat" in error.error, error


@cell("error: cut stream", herdwick_only=True)
def _():
    for verb in ({"fin": {"after": 3}}, {"rst": {"after": 3}}, {"errline": {"after": 3}}):
        with scripted(verb):
            raises(ollama.ResponseError, None, lambda: list(client.chat(CHAT, USER, stream=True)))


@cell("error: server failure")
def _():
    with scripted({"status": {"code": 500, "body": "llama runner process has terminated"}}):
        error = raises(ollama.ResponseError, 500, lambda: client.chat(CHAT, USER))
        assert "llama runner process has terminated" in error.error, error


@cell("error: overload")
def _():
    with overload():
        raises(ollama.ResponseError, 503, lambda: client.chat(CHAT, USER))


@cell("error: connection refused")
def _():
    raises(ConnectionError, None, lambda: ollama.Client(host=DEAD).chat(CHAT, USER))


run("ollama (Python)")
