import "@mantine/spotlight/styles.layer.css";
import { Spotlight, type SpotlightActionGroupData } from "@mantine/spotlight";
import { useDebouncedValue } from "@mantine/hooks";
import { useNavigate } from "@tanstack/react-router";
import { useEffect } from "react";
import { PALETTE_INPUT } from "./earlyLetters";
import { pages } from "./pages";
import { useFound } from "./useFound";

const PAUSE_MS = 150;
const SEARCH = { placeholder: "Go to a page or a thing…", "aria-label": "Go to", [PALETTE_INPUT]: true };

interface Props {
  query: string;
  onQuery: (query: string) => void;
}

/** The command palette: pages by name, and projects, tokens, upstreams, models, groups and listeners as the server finds them. */
export function Palette({ query, onQuery }: Props) {
  const navigate = useNavigate();
  const [late] = useDebouncedValue(query.trim(), PAUSE_MS);
  const asked = query.trim() === "" ? "" : late;
  const found = useFound(asked);
  // Things come after the letters: then the first one is what Enter opens, as it is with pages.
  useEffect(() => {
    if (asked === "" || document.querySelector("[data-action][data-selected]")) return;
    document.querySelector("[data-action]")?.setAttribute("data-selected", "true");
  });
  const groups: SpotlightActionGroupData[] = [
    {
      group: "Pages",
      actions: pages.map(({ to, label, icon: Icon }) => ({
        id: to,
        label,
        leftSection: <Icon size={18} aria-hidden />,
        onClick: () => void navigate({ to }),
      })),
    },
    ...found
      .filter(({ things }) => things.length > 0)
      .map(({ kind, things }) => ({
        group: kind,
        actions: things.map(({ id, label, note, open }) => ({
          id: `${kind} ${id}`,
          label,
          // The server has searched, in more than the label: every thing that it found matches.
          keywords: [query],
          ...(note ? { description: note } : {}),
          onClick: () => void navigate(open),
        })),
      })),
  ];
  return (
    <Spotlight
      shortcut={null}
      query={query}
      onQueryChange={onQuery}
      // It is empty each time that it opens, and who types at once must not type into a fading one.
      clearQueryOnClose={false}
      transitionProps={{ duration: 0 }}
      scrollable
      maxHeight={440}
      searchProps={SEARCH}
      attributes={{ content: { "aria-label": "Go to" } }}
      // Dimmed, it has too little contrast on the colour of the one that is chosen.
      styles={{ actionDescription: { color: "inherit", opacity: 1 } }}
      nothingFound="Nothing found"
      actions={groups}
    />
  );
}
