// Written by docs/make_protocol.py from stream_ser/protocol/messages.py; edit those.

/** First on every connection: the source, and the models that process it. */
export interface Hello {
  type: "hello";
  seq: number;
  protocol: string;
  version: string;
  source: string;
  host_api: string;
  sample_rate: number;
  started_at: number;
  time: number;
  labels: string[];
  hop: number;
  window: number;
  models: Record<string, string>;
  provider: string;
  provider_reason: string;
  recording: boolean;
}

/** Somebody began to speak. */
export interface SpeechStart {
  type: "speech_start";
  seq: number;
  start: number;
}

/** The label of the speech so far, every hop while somebody speaks; once with `is_final` when the utterance ends. */
export interface Emotion {
  type: "emotion";
  seq: number;
  start: number;
  end: number;
  label: string;
  confidence: number;
  probabilities: Record<string, number>;
  models: Record<string, Record<string, number>>;
  is_final: boolean;
}

/** The utterance is over. Until the next `speech_start` the label is `no_speech`. */
export interface SpeechEnd {
  type: "speech_end";
  seq: number;
  start: number;
  end: number;
  label: string;
}

/** The state of the source: after `hello`, whenever it changes, and at most every five seconds while the counts grow. */
export interface Status {
  type: "status";
  seq: number;
  state: string;
  reason: string;
  time: number;
  label: string;
  repaired: number;
  clipped: number;
  overflows: number;
  recording: boolean;
}

/** Something was lost: audio (`overflow`, `source_lost`, `rate_limited`), or messages to this client (`slow_client`). */
export interface Gap {
  type: "gap";
  seq: number;
  reason: string;
  start: number;
  seconds: number;
  messages: number;
}

/** The connection is alive: in reply to `ping`, and where nothing else was sent for ten seconds. */
export interface Heartbeat {
  type: "heartbeat";
  seq: number;
  time: number;
  id: string;
}

/** The last message of this client had no effect, or its audio failed; the connection stays, unless a close code follows. */
export interface Error {
  type: "error";
  seq: number;
  code: string;
  message: string;
}

/** From now on only these messages; what is not given is not limited. `hello`, `gap`, `heartbeat`, `error` always come. */
export interface Subscribe {
  type: "subscribe";
  types?: string[];
  labels?: string[];
  min_confidence?: number;
  max_rate_hz?: number;
  only_final?: boolean;
}

/** Requests a `heartbeat`. */
export interface Ping {
  type: "ping";
  id?: string;
}

/** On `/v1/stream`: binary frames follow, each of at most 1 MiB, that hold interleaved samples of this format. */
export interface AudioStart {
  type: "audio_start";
  sample_rate: number;
  format?: "s16le" | "f32le";
  channels?: number;
}

/** On `/v1/stream`: the audio is over. Its last messages follow, then a `status` with `ended`, and the close. */
export interface AudioEnd {
  type: "audio_end";
}

/** On `/v1/stream`: what comes next does not belong to what came before; an utterance in progress ends. */
export interface Reset {
  type: "reset";
}

export type ServerMessage = Hello | SpeechStart | Emotion | SpeechEnd | Status | Gap | Heartbeat | Error;

export interface Options {
  /** Of a daemon that requires one. */
  token?: string;
  /** Which messages to receive; all of them if it is not given. */
  subscribe?: Omit<Subscribe, "type">;
  /** The class of the package ws, where none is built in. */
  WebSocket?: unknown;
}

type Of<T extends string> = T extends "*" ? ServerMessage : Extract<ServerMessage, { type: T }>;

/** Follows a daemon; reconnects when the connection breaks, with the same subscription. */
export class StreamSer {
  constructor(url?: string, options?: Options);
  /** Calls `listener` with every message of a type, or with all of them for "*"; returns a function that removes it. */
  on<T extends ServerMessage["type"] | "*">(type: T, listener: (message: Of<T>) => void): () => void;
  /** Receive only these messages from now on, also after a reconnect. */
  subscribe(subscription: Omit<Subscribe, "type">): void;
  /** Closes the connection; no more messages are received. */
  close(): void;
}
