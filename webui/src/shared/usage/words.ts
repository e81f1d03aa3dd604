/** The kinds of endpoints that calls are sorted by, each with a path at which it is called. */
export const ENDPOINTS: Readonly<Record<string, string>> = {
  chat_completions: "/v1/chat/completions",
  responses: "/v1/responses",
  messages: "/v1/messages",
  messages_count_tokens: "/v1/messages/count_tokens",
  completions: "/v1/completions",
  embeddings: "/v1/embeddings",
  moderations: "/v1/moderations",
  images_generations: "/v1/images/generations",
  images_edits: "/v1/images/edits",
  images_variations: "/v1/images/variations",
  audio_speech: "/v1/audio/speech",
  audio_transcriptions: "/v1/audio/transcriptions",
  audio_translations: "/v1/audio/translations",
  models: "/v1/models",
};

/** Those at which a model works: a list of models is none of its calls. */
export const MODEL_ENDPOINTS: readonly string[] = Object.keys(ENDPOINTS).filter((it) => it !== "models");

/** Endpoints at which a chat can be had, as the playground has it. */
export const CHATS: ReadonlySet<string> = new Set(["chat_completions", "responses", "messages"]);

/** What the gateway's own errors mean, and what to do. */
export const ERRORS: Readonly<Record<string, string>> = {
  project_inactive: "The token's project is deactivated.",
  model_not_allowed: "The token may not use this model. Its page lists those that it may.",
  invalid_argument: "The request says something that the gateway can't take.",
  invalid_json: "The request's body is no JSON.",
  unsupported_media_type: "The request's body has a type that this endpoint does not take.",
  unsupported_content_encoding: "The request's body is compressed in a way that the gateway can't read.",
  request_too_large: "The request's body is larger than the gateway takes.",
  request_timeout: "The request's body did not come in time.",
  not_found: "There is nothing at this path.",
  model_not_found: "No model or group of this name is configured for the listener.",
  model_required: "The request names no model, and this endpoint needs one.",
  endpoint_not_supported: "No upstream that serves this model has this endpoint.",
  method_not_allowed: "The path is called with another method.",
  websocket_not_served: "The gateway serves no WebSockets here.",
  request_limit_exceeded: "The token or its project has used up the requests that it may make.",
  rate_limit_exceeded: "The caller made more requests, or used more tokens, than it may in this time.",
  request_above_limit: "The request may use more tokens than a limit ever lets pass at once.",
  insufficient_quota: "A budget of the token, its project, the model, the listener or the gateway has too little left.",
  price_unknown: "A budget of money or tokens holds, and nobody knows what the request would use of it.",
  upstream_unreachable: "No connection to the upstream could be made. Test the upstream on its page.",
  upstream_credentials_rejected: "The upstream does not take the gateway's key. Replace it on the upstream's page.",
  upstream_invalid_response: "The upstream answered with something that is no answer.",
  upstream_stream_cut: "The upstream's connection ended before its answer did.",
  upstream_timeout: "The upstream did not answer in the time that it is given.",
  no_upstream_available: "Every upstream that could serve this was taken out, or its breaker was open.",
  store_unavailable: "The gateway's store could not be reached.",
  gateway_shortage: "The gateway ran out of something, such as connections.",
  draining: "The process was about to end.",
  overloaded: "The gateway had more requests than it can take at once.",
  deadline_exceeded: "The call was not done in the time that it is given.",
  client_closed_request: "The caller left before the end.",
  internal: "This is a fault of the gateway; its log says more under the request id.",
};

/** Return what became of a call, in words. */
export function meaningOf(status: number, errorCode: string, upstream: string): string {
  if (errorCode !== "") return ERRORS[errorCode] ?? "An error of the gateway.";
  if (status < 400) return "Answered.";
  if (status === 499) return ERRORS["client_closed_request"] ?? "";
  return upstream === "" ? "The gateway refused it." : `The upstream ${upstream} answered with this status, and the gateway passed its answer on.`;
}
