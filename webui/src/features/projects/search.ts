import { RANGES } from "../../shared/url/range";
import { oneOf, orderBy, projectId, searchOf, sought } from "../../shared/url/search";

/** What the list keeps in its address. `act` is what is open over it, and `id` the project that is edited. */
export const readProjectsSearch = searchOf({
  q: sought,
  order: orderBy(["name", "created_at", "updated_at"]),
  state: oneOf(["active", "inactive"]),
  act: oneOf(["new", "edit"]),
  id: projectId,
});

/** What the page of one project keeps in its address. */
export const readProjectSearch = searchOf({ range: oneOf(RANGES), act: oneOf(["edit"]) });
