import { createRootRoute, createRoute, createRouter, retainSearchParams } from "@tanstack/react-router";
import { readCallsSearch } from "../features/calls/search";
import { readListSearch as readGroupsSearch, readOneSearch as readGroupSearch } from "../features/groups/search";
import { readListSearch as readListenersSearch, readOneSearch as readListenerSearch } from "../features/listeners/search";
import { readTesterSearch } from "../features/listeners/testerSearch";
import { readListSearch as readModelsSearch, readOneSearch as readModelSearch } from "../features/models/search";
import { readOverviewSearch } from "../features/overview/search";
import { readPlaygroundSearch } from "../features/playground/search";
import { readProjectSearch, readProjectsSearch } from "../features/projects/search";
import { readSettingsSearch } from "../features/settings/search";
import { readTokenSearch, readTokensSearch } from "../features/tokens/search";
import { readListSearch as readUpstreamsSearch, readOneSearch as readUpstreamSearch } from "../features/upstreams/search";
import { readUsageSearch } from "../features/usage/search";
import { setOut } from "../shared/ui/arrival";
import { searchOf } from "../shared/url/search";
import { zoneName } from "../shared/url/zone";
import { lazyPage } from "./lazyPage";
import { NotFound } from "./NotFound";
import { Failed, Loading } from "./PageStates";
import { Shell } from "./Shell";

// The zone stays in the address from page to page.
const root = createRootRoute({
  component: Shell,
  notFoundComponent: NotFound,
  validateSearch: searchOf({ zone: zoneName }),
  search: { middlewares: [retainSearchParams(["zone"])] },
});
const parent = { getParentRoute: () => root };

const routes = [
  createRoute({
    ...parent,
    path: "/",
    validateSearch: readOverviewSearch,
    component: lazyPage(() => import("../features/overview/pages/OverviewPage"), "OverviewPage"),
  }),
  createRoute({
    ...parent,
    path: "/projects",
    validateSearch: readProjectsSearch,
    component: lazyPage(() => import("../features/projects/pages/ProjectsPage"), "ProjectsPage"),
  }),
  createRoute({
    ...parent,
    path: "/projects/$id",
    validateSearch: readProjectSearch,
    component: lazyPage(() => import("../features/projects/pages/ProjectPage"), "ProjectPage"),
  }),
  createRoute({
    ...parent,
    path: "/tokens",
    validateSearch: readTokensSearch,
    component: lazyPage(() => import("../features/tokens/pages/TokensPage"), "TokensPage"),
  }),
  createRoute({
    ...parent,
    path: "/tokens/$id",
    validateSearch: readTokenSearch,
    component: lazyPage(() => import("../features/tokens/pages/TokenPage"), "TokenPage"),
  }),
  createRoute({
    ...parent,
    path: "/upstreams",
    validateSearch: readUpstreamsSearch,
    component: lazyPage(() => import("../features/upstreams/pages/UpstreamsPage"), "UpstreamsPage"),
  }),
  createRoute({
    ...parent,
    path: "/upstreams/$name",
    validateSearch: readUpstreamSearch,
    component: lazyPage(() => import("../features/upstreams/pages/UpstreamPage"), "UpstreamPage"),
  }),
  createRoute({
    ...parent,
    path: "/groups",
    validateSearch: readGroupsSearch,
    component: lazyPage(() => import("../features/groups/pages/GroupsPage"), "GroupsPage"),
  }),
  createRoute({
    ...parent,
    path: "/groups/$name",
    validateSearch: readGroupSearch,
    component: lazyPage(() => import("../features/groups/pages/GroupPage"), "GroupPage"),
  }),
  createRoute({
    ...parent,
    path: "/models",
    validateSearch: readModelsSearch,
    component: lazyPage(() => import("../features/models/pages/ModelsPage"), "ModelsPage"),
  }),
  createRoute({
    ...parent,
    path: "/models/$name",
    validateSearch: readModelSearch,
    component: lazyPage(() => import("../features/models/pages/ModelPage"), "ModelPage"),
  }),
  createRoute({
    ...parent,
    path: "/listeners",
    validateSearch: readListenersSearch,
    component: lazyPage(() => import("../features/listeners/pages/ListenersPage"), "ListenersPage"),
  }),
  createRoute({
    ...parent,
    path: "/listeners/$name",
    validateSearch: readListenerSearch,
    component: lazyPage(() => import("../features/listeners/pages/ListenerPage"), "ListenerPage"),
  }),
  createRoute({
    ...parent,
    path: "/tester",
    validateSearch: readTesterSearch,
    component: lazyPage(() => import("../features/listeners/pages/TesterPage"), "TesterPage"),
  }),
  createRoute({
    ...parent,
    path: "/usage",
    validateSearch: readUsageSearch,
    component: lazyPage(() => import("../features/usage/pages/UsagePage"), "UsagePage"),
  }),
  createRoute({
    ...parent,
    path: "/calls",
    validateSearch: readCallsSearch,
    component: lazyPage(() => import("../features/calls/pages/CallsPage"), "CallsPage"),
  }),
  createRoute({
    ...parent,
    path: "/playground",
    validateSearch: readPlaygroundSearch,
    component: lazyPage(() => import("../features/playground/pages/PlaygroundPage"), "PlaygroundPage"),
  }),
  createRoute({
    ...parent,
    path: "/settings",
    validateSearch: readSettingsSearch,
    component: lazyPage(() => import("../features/settings/pages/SettingsPage"), "SettingsPage"),
  }),
] as const;

// No skeleton flashes up: what is there within a moment shows none, and one that shows stays for a moment.
const PENDING_MS = 150;
const PENDING_LEAST_MS = 300;

export const router = createRouter({
  routeTree: root.addChildren(routes),
  basepath: "/admin",
  defaultPreload: "intent",
  defaultPendingComponent: Loading,
  defaultPendingMs: PENDING_MS,
  defaultPendingMinMs: PENDING_LEAST_MS,
  defaultErrorComponent: Failed,
});

// The way before may not be at its end: whoever leaves a page that is still loading sets out, too.
let headedFor: string | undefined;
router.subscribe("onBeforeNavigate", ({ toLocation: { pathname } }) => {
  if (headedFor !== undefined && pathname !== headedFor) setOut();
  headedFor = pathname;
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
