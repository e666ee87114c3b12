// The vendor's JavaScript client, used as its documentation shows; prints what came back as JSON, one entry per case.
// Arguments: the emulator's URL and key.

import ModelClient, { isUnexpected } from "@azure-rest/ai-inference";
import { AzureKeyCredential } from "@azure/core-auth";
import { createSseStream } from "@azure/core-sse";

const [url, key] = process.argv.slice(2);
const messages = [
  { role: "system", content: "You are a helpful assistant" },
  { role: "user", content: "How many languages are in the world?" },
];
const serverless = (name, secret = key) => connect(`${url}/serverless/${name}`, secret);
const connect = (endpoint, secret = key) =>
  ModelClient(endpoint, new AzureKeyCredential(secret), { allowInsecureConnection: true });

async function post(client, path, body, options = {}) {
  const response = await client.path(path).post({ body, ...options });
  return { status: response.status, unexpected: isUnexpected(response), body: response.body };
}

async function stream(client, body) {
  const response = await client
    .path("/chat/completions")
    .post({ body: { ...body, stream: true } })
    .asNodeStream();
  const chunks = [];
  for await (const event of createSseStream(response.body)) {
    if (event.data === "[DONE]") return { status: response.status, done: true, chunks };
    chunks.push(JSON.parse(event.data));
  }
  return { status: response.status, done: false, chunks };
}

const flight = {
  type: "function",
  function: {
    name: "get_flight_info",
    description: "Returns information about the next flight between two cities.",
    parameters: {
      type: "object",
      properties: { origin_city: { type: "string" }, destination_city: { type: "string" } },
      required: ["origin_city", "destination_city"],
    },
  },
};

async function tools(client) {
  const asked = [{ role: "user", content: "When is the next flight from Miami to Seattle?" }];
  const first = await post(client, "/chat/completions", { messages: asked, tools: [flight], tool_choice: "auto" });
  const message = first.body.choices[0].message;
  const results = message.tool_calls.map(({ id }) => ({
    role: "tool",
    tool_call_id: id,
    content: JSON.stringify({ info: "Take the train." }),
  }));
  const history = [...asked, message, ...results];
  return { first, last: await post(client, "/chat/completions", { messages: history, tools: [flight] }) };
}

const PNG =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const picture = [
  {
    role: "user",
    content: [
      { type: "text", text: "Which conclusion can be extracted from the following chart?" },
      { type: "image_url", image_url: { url: PNG } },
    ],
  },
];
const mistral = serverless("mistral-large-2411");
const models = connect(`${url}/models`);
const cohere = serverless("cohere-embed-v3-english");
const json = { messages: [...messages, { role: "user", content: "Answer in JSON." }], response_format: { type: "json_object" } };

const cases = {
  info: async () => {
    const response = await mistral.path("/info").get();
    return { status: response.status, body: response.body };
  },
  chat: () => post(mistral, "/chat/completions", { messages }),
  chatOnModels: () => post(models, "/chat/completions", { messages, model: "phi-3-mini-4k-instruct" }),
  parameters: () =>
    post(mistral, "/chat/completions", {
      messages,
      presence_penalty: 0.1,
      frequency_penalty: 0.8,
      max_tokens: 2048,
      stop: ["<|endoftext|>"],
      temperature: 0,
      top_p: 1,
      response_format: { type: "text" },
    }),
  stream: () => stream(mistral, { messages }),
  streamOnModels: () => stream(models, { messages, model: "gpt-4o" }),
  tools: () => tools(mistral),
  json: () => post(mistral, "/chat/completions", json),
  extras: () =>
    post(mistral, "/chat/completions", { messages, safe_prompt: true }, { headers: { "extra-parameters": "pass-through" } }),
  extrasRefused: () => post(mistral, "/chat/completions", { messages, safe_prompt: true }),
  image: () => post(serverless("phi-3-vision-128k-instruct"), "/chat/completions", { messages: picture }),
  embeddings: () => post(cohere, "/embeddings", { input: ["a", "b"], input_type: "document" }),
  imageEmbeddings: () => post(cohere, "/images/embeddings", { input: [{ image: PNG }] }),
  wrongKey: () => post(serverless("mistral-large-2411", "wrong"), "/chat/completions", { messages }),
  filtered: () => post(mistral, "/chat/completions", { messages: [{ role: "user", content: "emulator:violence" }] }),
  refused: () => post(serverless("phi-3-mini-4k-instruct"), "/chat/completions", json),
  textAsNumber: () => post(mistral, "/chat/completions", { messages, presence_penalty: "0.1" }),
};

const found = {};
for (const [name, run] of Object.entries(cases)) {
  found[name] = await run();
}
console.log(JSON.stringify(found));
