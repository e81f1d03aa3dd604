import { type FormErrors, useForm } from "@mantine/form";
import { type FormEvent, useState } from "react";
import { fieldErrors, isConflict } from "../api/errors";
import type { Difference } from "../ui/Conflict";
import { changedFields, isSame, maskPath, pathsOf } from "./changes";

interface Options<Values extends Record<string, unknown>, Stored extends { etag: string }> {
  /** What is edited; undefined makes something new. */
  stored: Stored | undefined;
  /** The values of the form for what is stored, or for something new. */
  read: (stored: Stored | undefined) => Values;
  /** Store the values. `mask` names the fields that were changed. */
  save: (values: Values, mask: readonly string[], etag: string) => Promise<unknown>;
  /** Read what is stored at present, after a conflict. */
  load: () => Promise<Stored | undefined>;
  /** What is wrong without asking the server, by path. */
  check?: (values: Values) => Record<string, string | undefined>;
  /** How a value is told in a conflict; secrets are not. */
  tell: (field: keyof Values & string, values: Values) => string;
}

/** The props of an input of the form. */
interface FieldProps {
  value?: never;
  checked?: never;
  onChange: never;
  error?: React.ReactNode;
}

/** How parts of a form, which do not know the whole of it, get at their fields. */
export type FieldOf = (path: string, type?: "checkbox") => FieldProps;

interface Failure {
  rest: readonly string[];
  error: unknown;
}

/**
 * Edit something that is stored, or make it anew.
 *
 * What the server refuses stands at its field, and the first such field has the focus. If somebody else changed the thing
 * meanwhile, both versions show, and what was typed stays.
 */
export function useEdit<Values extends Record<string, unknown>, Stored extends { etag: string }>(options: Options<Values, Stored>) {
  const { read, save, load, check, tell } = options;
  const [stored, setStored] = useState(options.stored);
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure>();
  const [theirs, setTheirs] = useState<Stored>();
  const [element, attach] = useState<HTMLFormElement | null>(null);
  const form = useForm<Values>({ initialValues: read(options.stored) });
  const values = form.values;
  const changed = changedFields(read(stored), values);

  function showErrors(found: Record<string, string | undefined>): string[] {
    const inputs = [...(element?.querySelectorAll<HTMLElement>("[data-path]") ?? [])];
    const has = (path: string) => inputs.some((it) => it.dataset["path"] === path);
    const errors = Object.entries(found).filter((it): it is [string, string] => it[1] !== undefined);
    form.setErrors(Object.fromEntries(errors) as FormErrors);
    const first = inputs.find((it) => errors.some(([path]) => path === it.dataset["path"]));
    for (let fold = first?.closest("details"); fold; fold = fold.parentElement?.closest("details")) fold.open = true;
    first?.focus();
    return errors.filter(([path]) => !has(path)).map(([path, text]) => `${path}: ${text}`);
  }

  async function store(mask: readonly string[], etag: string): Promise<boolean> {
    setBusy(true);
    setFailure(undefined);
    try {
      await save(values, mask, etag);
      return true;
    } catch (error) {
      if (isConflict(error)) {
        const present = await load().catch(() => undefined);
        if (present) {
          setTheirs(present);
          return false;
        }
      }
      const { fields, rest } = fieldErrors(error, pathsOf(values));
      setFailure({ rest: [...rest, ...showErrors(fields)], error });
      return false;
    } finally {
      setBusy(false);
    }
  }

  function refuse(): boolean {
    const problems = Object.fromEntries(Object.entries(check?.(values) ?? {}).filter(([, it]) => it !== undefined));
    if (Object.keys(problems).length === 0) return false;
    const rest = showErrors(problems);
    setFailure(rest.length > 0 ? { rest, error: undefined } : undefined);
    return true;
  }

  const conflict = theirs && {
    differences: differencesOf(read(stored), read(theirs), values, tell),
    take: () => {
      form.setValues(read(theirs));
      setStored(theirs);
      setTheirs(undefined);
    },
    /** Keep what was typed, on top of what is stored at present; return whether it was stored. */
    overwrite: async (): Promise<boolean> => {
      // What I left as it was is theirs now.
      const mine = new Set(changed);
      const merged = Object.fromEntries(Object.entries(read(theirs)).map(([key, it]) => [key, mine.has(key) ? values[key] : it])) as Values;
      setStored(theirs);
      setTheirs(undefined);
      form.setValues(merged);
      return store([...mine].map(maskPath), theirs.etag);
    },
  };

  return {
    form,
    /** The ref of the form element. */
    attach,
    field: ((path, type) => form.getInputProps(path, type ? { type } : {}) as FieldProps) as FieldOf,
    isNew: options.stored === undefined,
    changed,
    busy,
    failure,
    conflict,
    /** Show what is wrong with the fields; return what belongs to none. */
    showErrors,
    refuse,
    /** Store what was typed; return whether that was done. */
    submit: async (event?: FormEvent): Promise<boolean> => {
      event?.preventDefault();
      if (busy || refuse()) return false;
      return store(changed.map(maskPath), stored?.etag ?? "");
    },
  };
}

function differencesOf<Values extends Record<string, unknown>>(
  before: Values,
  theirs: Values,
  yours: Values,
  tell: (field: keyof Values & string, values: Values) => string,
): Difference[] {
  return changedFields(theirs, yours)
    .filter((field) => !isSame(before[field], theirs[field]) || !isSame(before[field], yours[field]))
    .map((field) => ({ field: maskPath(field), theirs: tell(field, theirs), yours: tell(field, yours) }));
}

export type Edit = Pick<ReturnType<typeof useEdit>, "attach" | "isNew" | "changed" | "busy" | "failure" | "conflict" | "submit">;
