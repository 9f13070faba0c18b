// The `openai` package.

import OpenAI, { toFile } from "openai";

import * as t from "./cells.mjs";
import { all, cell, raises, same, trueChat, trueText, truth } from "./cells.mjs";

const client = new OpenAI({ baseURL: `${t.BASE}/v1`, apiKey: "unused", maxRetries: 0, timeout: 30_000 });
const USER = [{ role: "user", content: t.HELLO }];
const ASK = [{ role: "user", content: t.ASK_TOOL }];
const FLAT_TOOL = { type: "function", name: "get_weather", parameters: t.WEATHER, strict: false };
const IMAGE = `data:image/png;base64,${t.PNG}`;
const chat = (more) => client.chat.completions.create({ model: t.CHAT, messages: USER, ...more });
const respond = (more) => client.responses.create({ model: t.CHAT, input: t.HELLO, ...more });
const generated = () => truth("/api/generate", { model: t.CHAT, prompt: t.HELLO, stream: false });

function sums(usage) {
  same(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);
  return usage.completion_tokens;
}

cell("models list", async () => {
  const models = await all(client.models.list());
  same(models.map((model) => model.id).sort(), t.ALL);
  same(new Set(models.map((model) => model.object)), new Set(["model"]));
});

cell("models retrieve", async () => {
  const model = await client.models.retrieve(t.CHAT);
  same([model.id, model.object, model.owned_by], [t.CHAT, "model", "library"]);
});

t.herdwickOnly("models retrieve, slashes", async () => {
  same((await client.models.retrieve(t.SLASHED)).id, t.SLASHED);
});

cell("chat", async () => {
  const answer = await chat();
  const [choice] = answer.choices;
  same([choice.message.content, choice.message.role], [await trueText(), "assistant"]);
  same([choice.finish_reason, answer.object, answer.model], ["stop", "chat.completion", t.CHAT]);
  same([answer.system_fingerprint, answer.id.startsWith("chatcmpl-")], ["fp_ollama", true]);
  same([sums(answer.usage), answer.usage.prompt_tokens], [12, (await trueChat()).prompt_eval_count]);
});

cell("chat stream", async () => {
  const chunks = await all(chat({ stream: true }));
  same(chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join(""), await trueText());
  same(new Set(chunks.map((chunk) => `${chunk.id} ${chunk.created} ${chunk.model}`)).size, 1);
  same(chunks.map((chunk) => chunk.choices[0].finish_reason), [...Array(12).fill(null), "stop"]);
});

cell("usage in streams", async () => {
  const chunks = await all(chat({ stream: true, stream_options: { include_usage: true } }));
  same(chunks.map((chunk) => Boolean(chunk.usage)), [...Array(13).fill(false), true]);
  same([chunks.at(-1).choices, sums(chunks.at(-1).usage)], [[], 12]);
  same((await all(chat({ stream: true }))).some((chunk) => chunk.usage), false);
});

cell("tools", async () => {
  const [choice] = (await chat({ messages: ASK, tools: [t.TOOL] })).choices;
  const [call] = choice.message.tool_calls;
  same([choice.finish_reason, call.type, call.function.name], ["tool_calls", "function", "get_weather"]);
  await t.fitsWeather(JSON.parse(call.function.arguments));
  const result = { role: "tool", tool_call_id: call.id, content: "Rain." };
  const [after] = (await chat({ messages: [...ASK, choice.message, result], tools: [t.TOOL] })).choices;
  same([after.finish_reason, after.message.tool_calls], ["stop", undefined]);
});

cell("tools stream", async () => {
  const stream = client.chat.completions.stream({ model: t.CHAT, messages: ASK, tools: [t.TOOL] });
  const [choice] = (await stream.finalChatCompletion()).choices;
  same([choice.finish_reason, choice.message.tool_calls.length], ["tool_calls", 1]);
  await t.fitsWeather(JSON.parse(choice.message.tool_calls[0].function.arguments));
});

cell("vision", async () => {
  const content = [{ type: "text", text: t.HELLO }, { type: "image_url", image_url: { url: IMAGE } }];
  const answer = await chat({ model: t.SEER, messages: [{ role: "user", content }] });
  same(answer.choices[0].message.content, await trueText({ model: t.SEER, images: [t.PNG] }));
});

cell("JSON mode", async () => {
  const [choice] = (await chat({ response_format: { type: "json_object" } })).choices;
  same(choice.message.content, await trueText({ format: "json" }));
});

cell("JSON schema", async () => {
  const json_schema = { name: "sheep", schema: t.SHEEP, strict: true };
  const answer = await client.chat.completions.parse({
    model: t.CHAT,
    messages: USER,
    response_format: { type: "json_schema", json_schema },
  });
  same(JSON.parse(answer.choices[0].message.content), JSON.parse(await trueText({ format: t.SHEEP })));
});

cell("thinking", async () => {
  const true_ = (await trueChat({ model: t.THINKER, think: true })).message;
  const { message } = (await chat({ model: t.THINKER, reasoning_effort: "high" })).choices[0];
  same([message.reasoning, message.content], [true_.thinking, true_.content]);
  const quiet = (await chat({ model: t.THINKER, reasoning_effort: "none" })).choices[0].message;
  same(quiet.reasoning, undefined);
});

cell("options", async () => {
  const cut = await chat({ max_tokens: 5 });
  same([cut.choices[0].finish_reason, cut.usage.completion_tokens], ["length", 5]);
  same((await chat({ seed: 7 })).choices[0].message.content, await trueText({ options: { seed: 7 } }));
  const text = await trueText();
  const stop = text.slice(4, 9);
  same((await chat({ stop })).choices[0].message.content, text.slice(0, text.indexOf(stop)));
});

cell("logprobs", async () => {
  const [choice] = (await chat({ logprobs: true, top_logprobs: 2 })).choices;
  same(choice.logprobs.content.map((entry) => entry.token).join(""), choice.message.content);
});

cell("completions", async () => {
  const answer = await client.completions.create({ model: t.CHAT, prompt: t.HELLO });
  same([answer.choices[0].text, answer.object], [(await generated()).response, "text_completion"]);
  same([answer.choices[0].finish_reason, sums(answer.usage)], ["stop", 12]);
});

cell("completions stream", async () => {
  const options = { stream: true, stream_options: { include_usage: true } };
  const chunks = await all(client.completions.create({ model: t.CHAT, prompt: t.HELLO, ...options }));
  const text = chunks.flatMap((chunk) => chunk.choices.map((choice) => choice.text)).join("");
  same([text, new Set(chunks.map((chunk) => chunk.id)).size], [(await generated()).response, 1]);
  same(sums(chunks.at(-1).usage), 12);
});

cell("responses", async () => {
  const answer = await respond();
  same([answer.output_text, answer.status, answer.object], [await trueText(), "completed", "response"]);
  same([answer.usage.output_tokens, answer.usage.total_tokens], [12, answer.usage.input_tokens + 12]);
  const parts = [{ type: "input_text", text: t.HELLO }, { type: "input_image", detail: "auto", image_url: IMAGE }];
  const seen = await respond({ model: t.SEER, input: [{ role: "user", content: parts }] });
  same(seen.output_text, await trueText({ model: t.SEER, images: [t.PNG] }));
});

cell("responses stream", async () => {
  const events = await all(respond({ stream: true }));
  same(events.map((event) => event.sequence_number), [...events.keys()]);
  same([events[0].type, events.at(-1).type], ["response.created", "response.completed"]);
  const deltas = events.filter((event) => event.type === "response.output_text.delta");
  same(deltas.map((event) => event.delta).join(""), await trueText());
  same(new Set(events.flatMap((event) => event.response?.id ?? [])).size, 1);
  const final = await client.responses.stream({ model: t.CHAT, input: t.HELLO }).finalResponse();
  same(final.output_text, await trueText());
});

cell("responses tools", async () => {
  const [call] = (await respond({ input: t.ASK_TOOL, tools: [FLAT_TOOL] })).output;
  same([call.type, call.name], ["function_call", "get_weather"]);
  await t.fitsWeather(JSON.parse(call.arguments));
  const output = { type: "function_call_output", call_id: call.call_id, output: "Rain." };
  const after = await respond({ input: [...ASK, call, output], tools: [FLAT_TOOL] });
  same(after.output[0].type, "message");
});

cell("transcriptions", async () => {
  const hear = async (sound, more) =>
    client.audio.transcriptions.create({ model: t.HEARER, file: await toFile(Buffer.from(sound), "a.wav"), ...more });
  const heard = await hear("RIFF sheep");
  same(heard.text.length > 0 && heard.text !== (await hear("RIFF dogs")).text, true);
  same(await hear("RIFF sheep", { response_format: "text" }), heard.text);
});

cell("embed single", async () => {
  const question = { model: t.EMBEDDER, input: t.HELLO };
  const [answer, true_] = [await client.embeddings.create(question), await truth("/v1/embeddings", question)];
  const away = answer.data[0].embedding.map((number, at) => Math.abs(number - true_.data[0].embedding[at]));
  same([away.length, Math.max(...away) < 1e-6], [16, true], "the client asks for base64 unless told otherwise");
  same(answer.usage, true_.usage);
});

cell("embed batch", async () => {
  const question = { model: t.EMBEDDER, input: ["a ewe", "a tup", "a lamb"] };
  const answer = await client.embeddings.create({ ...question, encoding_format: "float" });
  same(answer.data, (await truth("/v1/embeddings", question)).data);
});

cell("error: unknown model", async () => {
  const model = "absent:1b";
  for (const call of [
    () => chat({ model }),
    () => all(chat({ model, stream: true })),
    () => client.completions.create({ model, prompt: t.HELLO }),
    () => respond({ model }),
    () => client.embeddings.create({ model, input: t.HELLO }),
    () => client.models.retrieve(model),
  ]) {
    const error = await raises(OpenAI.NotFoundError, 404, call);
    same([error.type, error.message.includes(model)], ["not_found_error", true]);
  }
});

cell("error: bad request", async () => {
  const error = await raises(OpenAI.BadRequestError, 400, () => chat({ messages: [] }));
  same(error.type, "invalid_request_error");
  await raises(OpenAI.BadRequestError, 400, () => chat({ reasoning_effort: "high" }));
});

t.herdwickOnly("error: cut stream", async () => {
  for (const cut of t.CUTS) {
    await t.scripted([cut], async () => {
      const completions = () => client.completions.create({ model: t.CHAT, prompt: t.HELLO, stream: true });
      await raises(OpenAI.APIError, undefined, () => all(chat({ stream: true })));
      await raises(OpenAI.APIError, undefined, () => all(completions()));
    });
  }
});

t.herdwickOnly("error: cut responses", async () => {
  for (const cut of t.CUTS) {
    const last = (await t.scripted([cut], () => all(respond({ stream: true })))).at(-1);
    same([last.type, last.response.status], ["response.failed", "failed"]);
    same(typeof last.response.error.message, "string");
  }
});

cell("error: server failure", async () => {
  const verb = { status: { code: 500, body: "llama runner process has terminated" } };
  const error = await t.scripted([verb], () => raises(OpenAI.InternalServerError, 500, () => chat()));
  same(error.message.includes("llama runner process has terminated"), true);
});

cell("error: overload", () => t.overload(() => raises(OpenAI.InternalServerError, 503, () => chat()), "Authorization: Bearer unused"));

cell("error: connection refused", () =>
  raises(OpenAI.APIConnectionError, undefined, () => all(client.withOptions({ baseURL: `${t.DEAD}/v1` }).models.list())));

await t.run("openai (JS)");
