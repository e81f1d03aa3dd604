import { Code, ConnectError } from "@connectrpc/connect";
import { BadRequestSchema, RequestInfoSchema } from "@tollkeeper/client/rpc/error_details";

const camel = (path: string) =>
  path.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()).replace(/\[(\d+)\]/g, ".$1");

/** What a refused request said: by the names of a form's fields, and what belongs to none of them. */
interface FieldErrors<Field extends string> {
  fields: Partial<Record<Field, string>>;
  rest: string[];
}

/**
 * Sort the violations of an error by the fields of a form. A path such as `upstream.base_url` belongs to the field
 * `baseUrl`, and `allowed_models[0]` to `allowedModels`, where the form has no field of its own for it.
 */
export function fieldErrors<Field extends string>(error: unknown, known: readonly Field[]): FieldErrors<Field> {
  const fields: Partial<Record<Field, string>> = {};
  const rest: string[] = [];
  const failure = ConnectError.from(error);
  for (const detail of failure.findDetails(BadRequestSchema))
    for (const { field, description } of detail.fieldViolations) {
      const home = homeOf(camel(field), known);
      if (home === undefined) rest.push(field ? `${field}: ${description}` : description);
      else fields[home] = fields[home] ? `${fields[home]}; ${description}` : description;
    }
  if (Object.keys(fields).length === 0 && rest.length === 0) rest.push(failure.rawMessage);
  return { fields, rest };
}

function homeOf<Field extends string>(path: string, known: readonly Field[]): Field | undefined {
  const parts = path.split(".");
  for (let start = 0; start < parts.length; start++)
    for (let end = parts.length; end > start; end--) {
      const found = known.find((it) => it === parts.slice(start, end).join("."));
      if (found !== undefined) return found;
    }
  return undefined;
}

/** The id that finds the request of an error in the gateway's log. */
export const requestId = (error: unknown): string | undefined =>
  ConnectError.from(error).findDetails(RequestInfoSchema)[0]?.requestId ||
  ConnectError.from(error).metadata.get("x-request-id") ||
  undefined;

/** Return whether the same request may succeed a moment later. */
export const isTransient = (error: unknown): boolean =>
  [Code.Unavailable, Code.DeadlineExceeded, Code.Unknown].includes(ConnectError.from(error).code);

/** Return whether no answer came at all: `fetch` throws a TypeError then. */
export const isUnreachable = (error: unknown): boolean => ConnectError.from(error).cause instanceof TypeError;

/** Return whether an edit was refused because somebody else changed the thing meanwhile. */
export const isConflict = (error: unknown): boolean => ConnectError.from(error).code === Code.Aborted;

export const isNotFound = (error: unknown): boolean => ConnectError.from(error).code === Code.NotFound;

/**
 * Return whether something that was asked for by its id or name does not exist. What can be no id is refused as an argument, and a
 * request for one thing has no other.
 */
export const isNoSuch = (error: unknown): boolean => [Code.NotFound, Code.InvalidArgument].includes(ConnectError.from(error).code);

const REMEDIES: Partial<Record<Code, string>> = {
  [Code.Unavailable]: "The gateway or its store can't be reached. Nothing was changed; try again in a moment.",
  [Code.Unknown]: "The gateway can't be reached. Look whether it runs and whether the network is up, then try again.",
  [Code.DeadlineExceeded]: "The gateway did not answer in time. Look at the status page, then try again.",
  [Code.NotFound]: "It may have been deleted meanwhile.",
  [Code.Aborted]: "Somebody else changed it meanwhile. Load it anew and repeat the change.",
  [Code.ResourceExhausted]: "Too many requests, or too large a one. Wait a moment, then try again.",
  [Code.Internal]: "This is a fault of the gateway; its log says more under the request id.",
};

const OWN_FAULT = "This is a fault of the console. Load the page anew, or begin at the overview.";

/** What a person can do about an error. What no request threw is a fault of the page; a TypeError may be a file that does not come. */
export const remedyOf = (error: unknown): string | undefined =>
  error instanceof ConnectError || error instanceof TypeError ? REMEDIES[ConnectError.from(error).code] : OWN_FAULT;

export const messageOf = (error: unknown): string => ConnectError.from(error).rawMessage;
