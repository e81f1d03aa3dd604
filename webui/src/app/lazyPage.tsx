import { type ComponentType, use } from "react";
import { reloads } from "./upgrade";

/** What to do that files which could not be loaded are asked for again. */
const failed = new Set<() => void>();

/** Have the pages whose file could not be loaded ask for it again, when they are shown the next time. */
export function forgetFailed(): void {
  for (const forget of failed) forget();
  failed.clear();
}

/**
 * A page in a file of its own, loaded when it is shown or its link is pointed at.
 *
 * The router's own loads the whole application anew when the file can't be had, which must not be while the gateway is
 * lost: upgrade.ts looks first whether it answers.
 */
export function lazyPage<Name extends string>(load: () => Promise<Record<Name, ComponentType>>, name: Name) {
  let loading: Promise<ComponentType> | undefined;
  const start = () => {
    loading ??= load()
      .then((it) => it[name])
      .catch(async (error: unknown) => {
        // Nothing is shown in the moment before the application is loaded anew.
        if (await reloads()) await new Promise(() => {});
        failed.add(() => { loading = undefined; });
        throw error;
      });
    return loading;
  };
  function Page() {
    const Loaded = use(start());
    return <Loaded />;
  }
  // The page itself tells of a failure, when it is shown.
  return Object.assign(Page, { preload: () => start().then(() => undefined, () => undefined) });
}
