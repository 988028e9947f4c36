// The HTTP API: one function that asks, typed answers, errors that say what the server said.
import { address } from "./base";

export interface Answer<T> {
  data: T;
  warnings: string[];
  infos: string[];
}

/** What the server refused, or that it could not be reached. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly kind: string,
    readonly status: number,
  ) {
    super(message);
  }
}

export type Parameters = Record<string, string | number | boolean | string[] | undefined>;

/** Asks `/api/v1/<path>`. Aborting the signal rejects with an AbortError, which callers ignore. */
export async function ask<T>(path: string, parameters: Parameters = {}, signal?: AbortSignal): Promise<Answer<T>> {
  const query = encode(parameters);
  // Long expressions travel in the body: addresses have limits, bodies have larger ones.
  const post = query.length > 2000;
  const url = address(`api/v1/${path}`) + (post || query === "" ? "" : `?${query}`);
  let response: Response;
  try {
    response = await fetch(url, {
      method: post ? "POST" : "GET",
      headers: post ? { "Content-Type": "application/x-www-form-urlencoded" } : {},
      body: post ? query : undefined,
      signal,
    });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError("The server cannot be reached. Is it running?", "unreachable", 0);
  }
  const text = await response.text();
  let body: { status?: string; data?: T; error?: string; errorType?: string; warnings?: string[]; infos?: string[] };
  try {
    body = JSON.parse(text);
  } catch {
    throw new ApiError(text.trim() || response.statusText, "internal", response.status);
  }
  if (body.status !== "success") {
    throw new ApiError(body.error ?? response.statusText, body.errorType ?? "internal", response.status);
  }
  return { data: body.data as T, warnings: body.warnings ?? [], infos: body.infos ?? [] };
}

export function encode(parameters: Parameters): string {
  const out = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (Array.isArray(value)) for (const one of value) out.append(name, one);
    else if (value !== undefined && value !== "") out.append(name, String(value));
  }
  return out.toString();
}
