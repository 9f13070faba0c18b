// The `ollama` package.

import { Ollama } from "ollama";

import * as t from "./cells.mjs";
import { all, cell, raises, same, trueChat, trueText, truth } from "./cells.mjs";

const client = new Ollama({ host: t.BASE });
const USER = [{ role: "user", content: t.HELLO }];
const ASK = [{ role: "user", content: t.ASK_TOOL }];
const chat = (more) => client.chat({ model: t.CHAT, messages: USER, ...more });
const generated = () => truth("/api/generate", { model: t.CHAT, prompt: t.HELLO, stream: false });

cell("list", async () => {
  const { models } = await client.list();
  same(models.map((model) => model.model).sort(), t.ALL);
  same(new Set(models.map((model) => model.details.format)), new Set(["gguf"]));
});

cell("show", async () => {
  const [shown, true_] = [await client.show({ model: t.THINKER }), await truth("/api/show", { model: t.THINKER })];
  same(shown.capabilities, ["completion", "tools", "thinking"]);
  same([shown.model_info, shown.template], [true_.model_info, true_.template]);
  same((await client.show({ model: t.SLASHED })).details.family, "llama");
});

cell("ps", async () => {
  const running = (await client.ps()).models;
  for (const name of [t.CHAT, t.THINKER]) same(running.filter((model) => model.model === name).length > 0, true);
  same(running.every((model) => model.size_vram === model.size && model.expires_at), true);
});

cell("version", async () => {
  same(await client.version(), await truth("/api/version"));
});

cell("chat", async () => {
  const [answer, true_] = [await chat(), await trueChat()];
  same(answer.message, true_.message);
  same([answer.model, answer.done, answer.done_reason], [t.CHAT, true, "stop"]);
  same([answer.prompt_eval_count, answer.eval_count], [true_.prompt_eval_count, 12]);
});

cell("chat stream", async () => {
  const parts = await all(chat({ stream: true }));
  same(parts.map((part) => part.message.content).join(""), await trueText());
  same(parts.map((part) => part.done), [...Array(12).fill(false), true]);
});

cell("usage in streams", async () => {
  const last = (await all(chat({ stream: true }))).at(-1);
  same([last.prompt_eval_count, last.eval_count], [(await trueChat()).prompt_eval_count, 12]);
});

cell("generate", async () => {
  const answer = await client.generate({ model: t.CHAT, prompt: t.HELLO });
  same([answer.response, answer.done_reason, answer.eval_count], [(await generated()).response, "stop", 12]);
});

cell("generate stream", async () => {
  const parts = await all(client.generate({ model: t.CHAT, prompt: t.HELLO, stream: true }));
  same(parts.map((part) => part.response).join(""), (await generated()).response);
  same([parts.length, parts.at(-1).done], [13, true]);
});

cell("tools", async () => {
  const { message } = await chat({ messages: ASK, tools: [t.TOOL] });
  same(message.tool_calls.map((call) => call.function.name), ["get_weather"]);
  await t.fitsWeather(message.tool_calls[0].function.arguments);
  const after = await chat({ messages: [...ASK, message, { role: "tool", content: "Rain." }], tools: [t.TOOL] });
  same([after.message.tool_calls, after.message.content.length > 0], [undefined, true]);
});

cell("tools stream", async () => {
  const parts = await all(chat({ messages: ASK, tools: [t.TOOL], stream: true }));
  const calls = parts.flatMap((part) => part.message.tool_calls ?? []);
  same(calls.length, 1);
  await t.fitsWeather(calls[0].function.arguments);
});

cell("vision", async () => {
  const images = [Uint8Array.from(Buffer.from(t.PNG, "base64"))];
  const answer = await chat({ model: t.SEER, messages: [{ ...USER[0], images }] });
  same(answer.message.content, await trueText({ model: t.SEER, images: [t.PNG] }));
  same(answer.prompt_eval_count, (await trueChat({ model: t.SEER })).prompt_eval_count + 768);
});

cell("JSON mode", async () => {
  same((await chat({ format: "json" })).message.content, await trueText({ format: "json" }));
});

cell("JSON schema", async () => {
  const text = (await chat({ format: t.SHEEP })).message.content;
  same(text, await trueText({ format: t.SHEEP }));
  const sheep = JSON.parse(text);
  same([typeof sheep.name, typeof sheep.age], ["string", "number"]);
});

cell("thinking", async () => {
  const true_ = (await trueChat({ model: t.THINKER, think: true })).message;
  const { message } = await chat({ model: t.THINKER, think: true });
  same([message.thinking, message.content], [true_.thinking, true_.content]);
  same((await chat({ model: t.THINKER, think: false })).message.thinking, undefined);
  const parts = await all(chat({ model: t.THINKER, think: "high", stream: true }));
  same(parts.map((part) => part.message.thinking ?? "").join(""), true_.thinking);
});

cell("options", async () => {
  const cut = await chat({ options: { num_predict: 5 } });
  same([cut.done_reason, cut.eval_count], ["length", 5]);
  same((await chat({ options: { seed: 7 } })).message.content, await trueText({ options: { seed: 7 } }));
  const text = await trueText();
  const stop = text.slice(4, 9);
  same((await chat({ options: { stop: [stop] } })).message.content, text.slice(0, text.indexOf(stop)));
});

cell("logprobs", async () => {
  const answer = await chat({ logprobs: true, top_logprobs: 2 });
  same(answer.logprobs.map((entry) => entry.token).join(""), answer.message.content);
  same(new Set(answer.logprobs.map((entry) => entry.top_logprobs.length)), new Set([2]));
});

cell("load", async () => {
  const answer = await client.generate({ model: t.COLD, prompt: "", keep_alive: "10m" });
  same([answer.done_reason, answer.response], ["load", ""]);
  await t.eventually(async () => (await client.ps()).models.some((model) => model.model === t.COLD));
  same((await client.chat({ model: t.COLD, messages: [] })).done_reason, "load");
});

cell("unload", async () => {
  same((await client.generate({ model: t.COLD, prompt: "", keep_alive: 0 })).done_reason, "unload");
  await t.eventually(async () => !(await client.ps()).models.some((model) => model.model === t.COLD));
});

cell("embed single", async () => {
  const answer = await client.embed({ model: t.EMBEDDER, input: t.HELLO });
  const true_ = await truth("/api/embed", { model: t.EMBEDDER, input: t.HELLO });
  same([answer.embeddings, answer.prompt_eval_count], [true_.embeddings, true_.prompt_eval_count]);
  same((await client.embed({ model: t.EMBEDDER, input: t.HELLO, dimensions: 4 })).embeddings[0].length, 4);
});

cell("embed batch", async () => {
  const input = ["a ewe", "a tup", "a lamb"];
  const answer = await client.embed({ model: t.EMBEDDER, input });
  same(answer.embeddings, (await truth("/api/embed", { model: t.EMBEDDER, input })).embeddings);
});

cell("legacy embeddings", async () => {
  const question = { model: t.EMBEDDER, prompt: t.HELLO };
  same((await client.embeddings(question)).embedding, (await truth("/api/embeddings", question)).embedding);
});

cell("error: unknown model", async () => {
  const model = "absent:1b";
  for (const call of [
    () => chat({ model }),
    () => client.generate({ model, prompt: t.HELLO }),
    () => client.embed({ model, input: t.HELLO }),
    () => client.show({ model }),
    () => all(chat({ model, stream: true })),
  ]) {
    same((await raises("ResponseError", 404, call)).message.includes(model), true);
  }
});

cell("error: bad request", async () => {
  const error = await raises("ResponseError", 400, () => chat({ think: true }));
  same(error.message.includes("does not support thinking"), true);
  await raises("ResponseError", 400, () => chat({ model: t.EMBEDDER }));
});

t.herdwickOnly("error: cut stream", async () => {
  for (const cut of t.CUTS) {
    await t.scripted([cut], () => raises(Error, undefined, () => all(chat({ stream: true }))));
  }
});

cell("error: server failure", async () => {
  const verb = { status: { code: 500, body: "llama runner process has terminated" } };
  const error = await t.scripted([verb], () => raises("ResponseError", 500, () => chat()));
  same(error.message.includes("llama runner process has terminated"), true);
});

cell("error: overload", () => t.overload(() => raises("ResponseError", 503, () => chat())));

cell("error: connection refused", async () => {
  const dead = new Ollama({ host: t.DEAD });
  const error = await raises(TypeError, undefined, () => dead.list());
  same(error.cause.code, "ECONNREFUSED");
});

await t.run("ollama (JS)");
