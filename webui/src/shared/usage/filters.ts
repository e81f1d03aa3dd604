import { entityName, matching, modelName, projectId, several, textOf, tokenId } from "../url/search";

const STATUS = /^[1-9]([0-9][0-9]|xx)$/;
const word = textOf(64);

/** The filters of calls, as pages keep them in their addresses: ids of projects and tokens, names of all others. */
export const filterReaders = {
  project: several(projectId),
  token: several(tokenId),
  model: several(modelName),
  upstream: several(entityName),
  endpoint: several(word),
  status: several(matching(STATUS)),
  error: several(word),
};

export type FilterName = keyof typeof filterReaders;
export type CallFilters = { [Name in FilterName]?: string[] };

const FILTER_NAMES = Object.keys(filterReaders) as FilterName[];

/** Return the filters among what an address says. */
export const filtersOf = (search: CallFilters): CallFilters =>
  Object.fromEntries(FILTER_NAMES.filter((it) => search[it] !== undefined).map((it) => [it, search[it]]));

/** What takes all filters out of an address. */
export const NO_FILTERS = Object.fromEntries(FILTER_NAMES.map((it) => [it, undefined])) as { [Name in FilterName]: undefined };

export const countOf = (filters: CallFilters): number => Object.keys(filters).length;

/** The filters as the fields of requests to UsageService. */
export const fieldsOf = ({ project, token, model, upstream, endpoint, status, error }: CallFilters) => ({
  projectIds: project ?? [],
  tokenIds: token ?? [],
  models: model ?? [],
  upstreams: upstream ?? [],
  endpoints: endpoint ?? [],
  statuses: status ?? [],
  errorCodes: error ?? [],
});

/** Return whether the gateway takes a text for a status, or for a class of them. */
export const isStatus = (text: string): boolean => STATUS.test(text);
