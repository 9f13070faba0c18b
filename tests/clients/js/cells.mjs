// What the JavaScript suites share: cells of the matrix, the truth from a node itself, and scripted trouble.
// A suite knows its client library; this file knows none of them.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** Where the clients are pointed: at Herdwick, or with --direct at a node. */
export const BASE = process.env.CLIENTS_BASE;
/** An address where nobody listens. */
export const DEAD = process.env.CLIENTS_DEAD;
const NODES = process.env.CLIENTS_NODES.split(",");
const DIRECT = process.env.CLIENTS_DIRECT === "1";

export const CHAT = "llama3.2:3b";
export const THINKER = "qwen3:8b";
export const SEER = "gemma3:4b";
export const EMBEDDER = "nomic-embed-text:latest";
export const HEARER = "whisper:base";
export const SLASHED = "hf.co/a/b:Q4";
export const COLD = "cold:1b";
export const ALL = [CHAT, THINKER, SEER, EMBEDDER, HEARER, SLASHED, COLD].sort();

export const HELLO = "Why do sheep flock?";
export const ASK_TOOL = "Use get_weather for Keswick.";
export const WEATHER = {
  type: "object",
  properties: { city: { type: "string" }, days: { type: "integer" } },
  required: ["city", "days"],
};
export const SHEEP = {
  type: "object",
  properties: { name: { type: "string" }, age: { type: "integer" } },
  required: ["name", "age"],
  additionalProperties: false,
};
export const TOOL = { type: "function", function: { name: "get_weather", description: "", parameters: WEATHER } };
export const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";

/** What a cut stream can be cut by. */
export const CUTS = [{ fin: { after: 3 } }, { rst: { after: 3 } }, { errline: { after: 3 } }];

const cells = [];

/** Registers one test as the cell of this row in its client's column. */
export function cell(row, test) {
  cells.push({ row, test, herdwickOnly: false });
}

/** The same for what a bare node cannot do. */
export function herdwickOnly(row, test) {
  cells.push({ row, test, herdwickOnly: true });
}

/** Runs all cells in the order they were written, one JSON line each. */
export async function run(client) {
  for (const { row, test, herdwickOnly } of cells) {
    const result = { row, client, outcome: "ok", why: "" };
    if (herdwickOnly && DIRECT) {
      result.outcome = "herdwick only";
    } else {
      try {
        await test();
      } catch (error) {
        result.outcome = "FAILED";
        result.why = String(error?.stack ?? error);
      }
    }
    console.log(JSON.stringify(result));
  }
}

export const same = assert.deepStrictEqual;

/** All elements of a stream. */
export async function all(stream) {
  const elements = [];
  for await (const element of await stream) elements.push(element);
  return elements;
}

/** The exception of exactly this class, with this status unless it is undefined. */
export async function raises(kind, status, call) {
  let error;
  try {
    await call();
  } catch (caught) {
    error = caught;
  }
  assert.ok(error, `no ${kind.name ?? kind}`);
  const name = typeof kind === "string" ? error.name : error.constructor;
  assert.strictEqual(name, kind, `${error.name} ${error.constructor.name}: ${error.message}`);
  if (status !== undefined) assert.strictEqual(error.status ?? error.status_code, status, error.message);
  return error;
}

/** What the node says when it is asked without any client and without Herdwick. */
export async function truth(path, body) {
  const answer = await fetch(NODES[0] + path, body && { method: "POST", body: JSON.stringify(body) });
  assert.ok(answer.ok, `${path}: ${answer.status}`);
  return answer.json();
}

/** The whole answer of /api/chat. */
export function trueChat({ model = CHAT, content = HELLO, images, ...more } = {}) {
  const messages = [{ role: "user", content, ...(images && { images }) }];
  return truth("/api/chat", { model, messages, stream: false, ...more });
}

export async function trueText(question) {
  return (await trueChat(question)).message.content;
}

/** Whether a call's arguments are those the node would give. */
export async function fitsWeather(given) {
  const { message } = await trueChat({ content: ASK_TOOL, tools: [TOOL] });
  same(given, message.tool_calls[0].function.arguments);
  same([typeof given.city, typeof given.days], ["string", "number"]);
}

/** Herdwick lists what its last poll of the nodes saw, so what has just changed shows a moment later. */
export async function eventually(condition) {
  const until = Date.now() + 15_000;
  while (!(await condition())) {
    assert.ok(Date.now() < until, "still not so after 15 s");
    // Sleeps because there is no event to wait for: the next poll is the router's own affair.
    await new Promise((wake) => setTimeout(wake, 100));
  }
}

/** These verbs on every node, several times over since Herdwick tries again elsewhere; gone afterwards. */
export async function scripted(verbs, work) {
  const control = (method, body) =>
    Promise.all(NODES.map((node) => fetch(`${node}/_ctl`, { method, body: body && JSON.stringify(body) })));
  try {
    await control("POST", { verbs: [...verbs, ...verbs, ...verbs, ...verbs] });
    return await work();
  } finally {
    await control("DELETE");
  }
}

/** No room for another request: a node says so itself, Herdwick once its queue is full of this client's own requests;
 * `key` is the header line by which it shows who it is, if it does. */
export function overload(work, ...key) {
  const busy = "server busy, please try again.  maximum pending requests exceeded";
  if (DIRECT) return scripted([{ status: { code: 503, body: busy } }], work);
  return scripted(["silent"], async () => {
    const [program, ...fixed] = process.env.CLIENTS_FLOOD.split(" ");
    const flood = spawn(program, [...fixed, BASE, CHAT, ...key], { stdio: ["pipe", "pipe", "inherit"] });
    const ended = new Promise((done) => flood.once("exit", done));
    const heard = new Promise((line) => createInterface(flood.stdout).once("line", line));
    try {
      same(await Promise.race([heard, ended]), "full");
      return await work();
    } finally {
      flood.stdin.end();
      await ended;
    }
  });
}
