// Follows a stream-ser daemon from a page or from Node. No dependencies; types are in stream-ser.d.ts.
//
//   import { StreamSer } from "http://127.0.0.1:8765/stream-ser.js";
//   const ser = new StreamSer();
//   ser.on("emotion", (message) => console.log(message.label, message.confidence));

const PROTOCOL = "stream-ser.v1";
const FIRST_PAUSE = 200;
const LONGEST_PAUSE = 5000;

export class StreamSer {
  #url;
  #options;
  #socket = null;
  #listeners = new Map();
  #pause = FIRST_PAUSE;
  #timer = null;
  #closed = false;

  constructor(url = "ws://127.0.0.1:8765/v1/live", options = {}) {
    this.#url = url;
    this.#options = options;
    this.#connect();
  }

  /** Calls `listener` with every message of a type, or of all with "*"; returns what ends that. */
  on(type, listener) {
    if (!this.#listeners.has(type)) this.#listeners.set(type, new Set());
    this.#listeners.get(type).add(listener);
    return () => this.#listeners.get(type).delete(listener);
  }

  /** From now on only these messages, also after the connection broke. */
  subscribe(wanted) {
    this.#options = { ...this.#options, subscribe: wanted };
    if (this.#socket?.readyState === 1) this.#ask(wanted);
  }

  /** Ends it; no message comes any more. */
  close() {
    this.#closed = true;
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #connect() {
    const { token, WebSocket = globalThis.WebSocket, subscribe } = this.#options;
    if (!WebSocket) throw new Error("no WebSocket here: give one as options.WebSocket, for example that of the package ws");
    const protocols = token === undefined ? [PROTOCOL] : [PROTOCOL, `stream-ser.token.${token}`];
    const socket = new WebSocket(this.#url, protocols);
    this.#socket = socket;
    socket.onopen = () => subscribe && this.#ask(this.#options.subscribe);
    socket.onmessage = ({ data }) => this.#tell(JSON.parse(data));
    // Of a failed handshake, browsers tell by both, and some Node by an error alone.
    socket.onclose = socket.onerror = () => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      this.#again();
    };
  }

  #ask(wanted) {
    this.#socket.send(JSON.stringify({ ...wanted, type: "subscribe" }));
  }

  #tell(message) {
    if (this.#closed) return;
    this.#pause = FIRST_PAUSE;
    for (const type of [message.type, "*"]) for (const listener of this.#listeners.get(type) ?? []) listener(message);
  }

  #again() {
    if (this.#closed) return;
    this.#timer = setTimeout(() => this.#connect(), this.#pause);
    this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE);
  }
}
