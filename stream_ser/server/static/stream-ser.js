// Follows a stream-ser daemon from a page or from Node. No dependencies; types are in stream-ser.d.ts.
//
//   import { StreamSer } from "http://127.0.0.1:8765/stream-ser.js";
//   const ser = new StreamSer();
//   ser.on("emotion", (message) => console.log(message.label, message.confidence));

const PROTOCOL = "stream-ser.v1";
const MIN_RETRY_DELAY_MS = 200;
const MAX_RETRY_DELAY_MS = 5000;

export class StreamSer {
  #url;
  #options;
  #socket = null;
  #listeners = new Map();
  #retryDelayMs = MIN_RETRY_DELAY_MS;
  #timer = null;
  #closed = false;

  constructor(url = "ws://127.0.0.1:8765/v1/live", options = {}) {
    this.#url = url;
    this.#options = options;
    this.#connect();
  }

  /** Calls `listener` with every message of a type, or of all with "*"; returns a function that ends that. */
  on(type, listener) {
    if (!this.#listeners.has(type)) this.#listeners.set(type, new Set());
    this.#listeners.get(type).add(listener);
    return () => this.#listeners.get(type).delete(listener);
  }

  /** Changes the subscription from now on, also after the connection broke. */
  subscribe(subscription) {
    this.#options = { ...this.#options, subscribe: subscription };
    if (this.#socket?.readyState === 1) this.#sendSubscribe(subscription);
  }

  /** Closes the connection; no message comes any more. */
  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #connect() {
    const { token, WebSocket = globalThis.WebSocket } = this.#options;
    if (!WebSocket) throw new Error("no WebSocket here: give one as options.WebSocket, for example that of the package ws");
    const protocols = token === undefined ? [PROTOCOL] : [PROTOCOL, `stream-ser.token.${token}`];
    const socket = new WebSocket(this.#url, protocols);
    this.#socket = socket;
    socket.onopen = () => {
      if (this.#options.subscribe) this.#sendSubscribe(this.#options.subscribe);
    };
    socket.onmessage = ({ data }) => this.#dispatch(JSON.parse(data));
    // After a failed handshake, browsers fire both events, and some versions of Node an error alone.
    socket.onclose = socket.onerror = () => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      this.#reconnectLater();
    };
  }

  #sendSubscribe(subscription) {
    this.#socket.send(JSON.stringify({ ...subscription, type: "subscribe" }));
  }

  #dispatch(message) {
    if (this.#closed) return;
    this.#retryDelayMs = MIN_RETRY_DELAY_MS;
    for (const type of [message.type, "*"]) for (const listener of this.#listeners.get(type) ?? []) listener(message);
  }

  #reconnectLater() {
    if (this.#closed) return;
    this.#timer = setTimeout(() => this.#connect(), this.#retryDelayMs);
    this.#retryDelayMs = Math.min(2 * this.#retryDelayMs, MAX_RETRY_DELAY_MS);
  }
}
