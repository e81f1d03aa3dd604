import { useQuery } from "@connectrpc/connect-query";
import { Button, Checkbox, Group, Stack } from "@mantine/core";
import { IconPlus } from "@tabler/icons-react";
import { keepPreviousData } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { type Token, TokenService } from "@tollkeeper/client/v1/token_service";
import { lazy, Suspense, useState } from "react";
import { useCursor } from "../../../shared/api/useCursor";
import { projects } from "../../../shared/pickers/projects";
import { PickOne } from "../../../shared/pickers/Picker";
import { NoMatch } from "../../../shared/ui/EmptyState";
import { ErrorState } from "../../../shared/ui/ErrorState";
import { MultiSelect } from "../../../shared/ui/inputs";
import { PageHeader } from "../../../shared/ui/PageHeader";
import { Pages, PageTable } from "../../../shared/ui/PageTable";
import { SearchBox } from "../../../shared/ui/SearchBox";
import { TOKEN_STATES } from "../../../shared/ui/TokenStateBadge";
import { changed } from "../../../shared/url/search";
import { COLUMNS } from "../parts/columns";
import { FirstToken } from "../parts/FirstToken";
import { Revoke, type Revocable } from "../parts/Revoke";
import { Rotate } from "../parts/Rotate";
import { Selection } from "../parts/Selection";
import type { Minted } from "../parts/TokenForm";
import { TokenMenu } from "../parts/TokenMenu";
import type { readTokensSearch } from "../search";
import { titleOf, useActivation } from "../useTokenActions";

const TokenDrawer = lazy(() => import("../parts/TokenDrawer").then((it) => ({ default: it.TokenDrawer })));
const ShowSecret = lazy(() => import("../parts/ShowSecret").then((it) => ({ default: it.ShowSecret })));
const route = getRouteApi("/tokens");
const SIZE = 25;
const REFRESH_MS = 15_000;
const NEWEST = "created_at desc";
type Search = ReturnType<typeof readTokensSearch>;

export function TokensPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const put = (change: { [Key in keyof Search]?: Search[Key] | undefined }, replace = true) =>
    void navigate({ search: (old) => changed(old, change), replace });
  const { q, project, order = NEWEST } = search;
  const chosen = TOKEN_STATES.filter((it) => search.state?.includes(it.name));
  const key = JSON.stringify([q, project, order, chosen.map((it) => it.name)]);
  const cursor = useCursor(key);
  const { data, error, isPlaceholderData, refetch } = useQuery(
    TokenService.method.listTokens,
    {
      search: q ?? "",
      projectId: project ?? "",
      states: chosen.map((it) => it.state),
      orderBy: order,
      pageSize: SIZE,
      pageToken: cursor.pageToken,
      withTotal: true,
    },
    { placeholderData: keepPreviousData, refetchInterval: REFRESH_MS },
  );
  const selection = useSelection(key);
  const activation = useActivation();
  const [rotating, setRotating] = useState<Token>();
  const [revoking, setRevoking] = useState<readonly Revocable[]>([]);
  const [minted, setMinted] = useState<Minted>();
  const rows = data?.tokens;
  const marked = rows?.filter((it) => selection.has(it.id)).length ?? 0;
  const filtered = q !== undefined || project !== undefined || chosen.length > 0;
  const open = () => put({ act: "new" }, false);

  return (
    <Stack>
      <PageHeader
        title="Tokens"
        description="The credentials of applications. A secret is shown once, when a token is made or rotated."
        actions={<Button leftSection={<IconPlus size={16} />} data-page-new onClick={open}>New token</Button>}
      />
      <Group align="end" className="tk-filters">
        <SearchBox label="Search" value={q} onChange={(it) => put({ q: it })} />
        <PickOne label="Project" placeholder="Any" value={project} onChange={(it) => put({ project: it })} {...projects} />
        <MultiSelect
          label="State"
          clearable
          placeholder={chosen.length === 0 ? "Any" : ""}
          data={TOKEN_STATES.map((it) => ({ value: it.name, label: it.word }))}
          value={chosen.map((it) => it.name)}
          onChange={(names) => {
            const next = TOKEN_STATES.map((it) => it.name).filter((it) => names.includes(it));
            put({ state: next.length > 0 ? next : undefined });
          }}
        />
      </Group>
      {error && <ErrorState title="The tokens can't be read" error={error} retry={() => void refetch()} />}
      {(!error || data) && (
        <>
          {rows !== undefined && rows.length > 0 && (
            <Selection
              page={marked === 0 ? "none" : marked === rows.length ? "all" : "some"}
              count={selection.all.length}
              onPage={(selected) => selection.put(rows, selected)}
              onRevoke={() => setRevoking(selection.all)}
              onClear={selection.clear}
            />
          )}
          <PageTable
            label="Tokens"
            rows={rows}
            columns={COLUMNS}
            rowKey={(it) => it.id}
            fetching={isPlaceholderData}
            order={order}
            onOrder={(it) => put({ order: it === NEWEST ? undefined : it })}
            onOpen={(it) => void navigate({ to: "/tokens/$id", params: { id: it.id } })}
            mark={(it) => (
              <Checkbox size="sm" aria-label={`Select ${titleOf(it)}`} checked={selection.has(it.id)} onChange={(event) => selection.put([it], event.currentTarget.checked)} />
            )}
            actions={(it) => (
              <TokenMenu
                token={it}
                onEdit={() => put({ act: "edit", id: it.id }, false)}
                onRotate={() => setRotating(it)}
                onActive={(isActive) => activation.set(it, isActive)}
                onRevoke={() => setRevoking([it])}
              />
            )}
            empty={filtered ? <NoMatch clear={() => put({ q: undefined, project: undefined, state: undefined })} /> : <FirstToken onNew={open} />}
          />
          <Pages cursor={cursor} next={data?.nextPageToken} total={data?.totalSize} />
        </>
      )}
      <Suspense>
        {(search.act === "new" || (search.act === "edit" && search.id !== undefined)) && (
          <TokenDrawer
            id={search.act === "new" ? undefined : search.id}
            projectId={project}
            onDone={(it) => { put({ act: undefined, id: undefined }); setMinted(it); }}
            onClose={() => put({ act: undefined, id: undefined })}
          />
        )}
        {minted && <ShowSecret minted={minted} onClose={() => setMinted(undefined)} />}
      </Suspense>
      <Rotate token={rotating} onRotated={setMinted} onClose={() => setRotating(undefined)} />
      <Revoke tokens={revoking} onLeft={(left) => { selection.keep(left); setRevoking(left); }} onClose={() => setRevoking([])} />
    </Stack>
  );
}

const MOST_SELECTED = 1_000;

/** The rows that are selected, over all pages of one list; with other filters none is. */
function useSelection(key: string) {
  const [held, setHeld] = useState<{ key: string; all: readonly Revocable[] }>({ key, all: [] });
  const all = held.key === key ? held.all : [];
  return {
    all,
    has: (id: string) => all.some((it) => it.id === id),
    put: (rows: readonly Revocable[], selected: boolean) => {
      const others = all.filter((it) => !rows.some((row) => row.id === it.id));
      setHeld({ key, all: selected ? [...others, ...rows].slice(0, MOST_SELECTED) : others });
    },
    keep: (left: readonly Revocable[]) => setHeld({ key, all: all.filter((it) => left.some((row) => row.id === it.id)) }),
    clear: () => setHeld({ key, all: [] }),
  };
}
