// The `@anthropic-ai/sdk` package.

import Anthropic from "@anthropic-ai/sdk";

import * as t from "./cells.mjs";
import { all, cell, raises, same, trueChat, trueText } from "./cells.mjs";

const client = new Anthropic({ baseURL: t.BASE, apiKey: "unused", maxRetries: 0, timeout: 30_000 });
const USER = [{ role: "user", content: t.HELLO }];
const ASK = [{ role: "user", content: t.ASK_TOOL }];
const TOOL = { name: "get_weather", description: "Tells the weather.", input_schema: t.WEATHER };
const IMAGE = { type: "image", source: { type: "base64", media_type: "image/png", data: t.PNG } };
const question = (more) => ({ model: t.CHAT, messages: USER, max_tokens: 500, ...more });
const ask = (more) => client.messages.create(question(more));
const streamed = (more) => client.messages.stream(question(more)).finalMessage();

cell("messages", async () => {
  const answer = await ask();
  same(answer.content, [{ type: "text", text: await trueText() }]);
  same([answer.stop_reason, answer.role, answer.model], ["end_turn", "assistant", t.CHAT]);
  same([answer.usage.input_tokens, answer.usage.output_tokens], [(await trueChat()).prompt_eval_count, 12]);
});

cell("messages stream", async () => {
  const events = await all(ask({ stream: true }));
  const block = ["content_block_start", ...Array(12).fill("content_block_delta"), "content_block_stop"];
  same(events.map((event) => event.type), ["message_start", ...block, "message_delta", "message_stop"]);
  same(events.map((event) => event.delta?.text ?? "").join(""), await trueText());
  same((await streamed()).content[0].text, await trueText());
});

cell("usage in streams", async () => {
  const { usage } = await streamed();
  same([usage.input_tokens, usage.output_tokens], [(await trueChat()).prompt_eval_count, 12]);
});

cell("tools", async () => {
  const answer = await ask({ messages: ASK, tools: [TOOL] });
  const [call] = answer.content;
  same([answer.stop_reason, call.type, call.name], ["tool_use", "tool_use", "get_weather"]);
  await t.fitsWeather(call.input);
  const result = { type: "tool_result", tool_use_id: call.id, content: "Rain." };
  const turns = [...ASK, { role: "assistant", content: answer.content }, { role: "user", content: [result] }];
  same((await ask({ messages: turns, tools: [TOOL] })).stop_reason, "end_turn");
});

cell("tools stream", async () => {
  const message = await streamed({ messages: ASK, tools: [TOOL] });
  same([message.stop_reason, message.content[0].name], ["tool_use", "get_weather"]);
  await t.fitsWeather(message.content[0].input);
});

cell("vision", async () => {
  const content = [{ type: "text", text: t.HELLO }, IMAGE];
  const answer = await ask({ model: t.SEER, messages: [{ role: "user", content }] });
  same(answer.content[0].text, await trueText({ model: t.SEER, images: [t.PNG] }));
});

cell("thinking", async () => {
  const true_ = (await trueChat({ model: t.THINKER, think: true })).message;
  const more = { model: t.THINKER, max_tokens: 2048, thinking: { type: "enabled", budget_tokens: 1024 } };
  for (const { content } of [await ask(more), await streamed(more)]) {
    same([content.length, content[0].thinking, content[1].text], [2, true_.thinking, true_.content]);
  }
  same((await ask({ model: t.THINKER, thinking: { type: "disabled" } })).content.length, 1);
});

cell("options", async () => {
  const cut = await ask({ max_tokens: 5 });
  same([cut.stop_reason, cut.usage.output_tokens], ["max_tokens", 5]);
  const text = await trueText();
  const stop = text.slice(4, 9);
  same((await ask({ stop_sequences: [stop] })).content[0].text, text.slice(0, text.indexOf(stop)));
});

cell("count_tokens is not there", () =>
  raises(Anthropic.NotFoundError, 404, () => client.messages.countTokens({ model: t.CHAT, messages: USER })));

cell("error: unknown model", async () => {
  const error = await raises(Anthropic.NotFoundError, 404, () => ask({ model: "absent:1b" }));
  same([error.error.error.type, error.message.includes("absent:1b")], ["not_found_error", true]);
  await raises(Anthropic.NotFoundError, 404, () => all(ask({ model: "absent:1b", stream: true })));
});

cell("error: bad request", async () => {
  const error = await raises(Anthropic.BadRequestError, 400, () => ask({ max_tokens: 0 }));
  same(error.error.error.type, "invalid_request_error");
  await raises(Anthropic.BadRequestError, 400, () => ask({ messages: [] }));
});

t.herdwickOnly("error: cut stream", async () => {
  for (const cut of t.CUTS) {
    await t.scripted([cut], () => raises(Anthropic.APIError, undefined, () => all(ask({ stream: true }))));
  }
});

cell("error: server failure", async () => {
  const verb = { status: { code: 500, body: "llama runner process has terminated" } };
  const error = await t.scripted([verb], () => raises(Anthropic.InternalServerError, 500, () => ask()));
  same(error.message.includes("llama runner process has terminated"), true);
});

cell("error: overload", async () => {
  const error = await t.overload(() => raises(Anthropic.ServiceUnavailableError, 503, () => ask()), "x-api-key: unused");
  same(error.error.error.type, "overloaded_error");
});

cell("error: connection refused", () =>
  raises(Anthropic.APIConnectionError, undefined, () => client.withOptions({ baseURL: t.DEAD }).messages.create(question())));

await t.run("anthropic (JS)");
