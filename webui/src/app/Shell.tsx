import { ActionIcon, Box, Burger, Button, Group, NavLink, Title } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconLogout, IconSearch } from "@tabler/icons-react";
import { Link, Outlet, useLocation } from "@tanstack/react-router";
import { lazy, Suspense, useCallback, useEffect, useState } from "react";
import { session } from "../features/session/session";
import { keepEarlyLetters, PALETTE_INPUT } from "./earlyLetters";
import { Lost } from "./Lost";
import { pages } from "./pages";
import { Shortcuts } from "./Shortcuts";
import { useFocusBack } from "./useFocusBack";

const MENUS_WIDTH = 96;
const HeaderMenus = lazy(() => import("./HeaderMenus").then((it) => ({ default: it.HeaderMenus })));
const Palette = lazy(() => import("./Palette").then((it) => ({ default: it.Palette })));

/** Load the palette when the page is at rest: loaded on demand it would lose the letters typed meanwhile. */
function usePalette() {
  const [loaded, setLoaded] = useState(false);
  const [query, setQuery] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => setLoaded(true), 300);
    return () => clearTimeout(timer);
  }, []);
  const open = useCallback(() => {
    if (document.activeElement?.hasAttribute(PALETTE_INPUT)) return;
    setLoaded(true);
    setQuery("");
    keepEarlyLetters(setQuery);
    void import("@mantine/spotlight").then((it) => it.spotlight.open());
  }, []);
  return { loaded, query, setQuery, open };
}

export function Shell() {
  const [opened, { toggle, close }] = useDisclosure();
  const path = useLocation().pathname;
  const palette = usePalette();
  useFocusBack();
  return (
    <div className="tk-shell">
      <a className="tk-skip" href="#main">To the content</a>
      <header className="tk-header">
        <Group h="100%" px="md" justify="space-between" wrap="nowrap">
          <Group gap="xs" wrap="nowrap">
            <Burger opened={opened} onClick={toggle} hiddenFrom="sm" size="sm" aria-label="Navigation" />
            <Title order={1} size="h4">Tollkeeper</Title>
          </Group>
          <Group gap="xs" wrap="nowrap">
            <Button variant="default" size="xs" leftSection={<IconSearch size={14} />} onClick={palette.open} visibleFrom="sm">
              Go to… (Ctrl K)
            </Button>
            <ActionIcon variant="default" size="md" aria-label="Go to" onClick={palette.open} hiddenFrom="sm"><IconSearch size={16} /></ActionIcon>
            <Suspense fallback={<Box w={MENUS_WIDTH} />}><HeaderMenus /></Suspense>
            <ActionIcon variant="default" size="md" aria-label="Sign out" onClick={() => void session.end()}><IconLogout size={16} /></ActionIcon>
          </Group>
        </Group>
      </header>
      <nav className="tk-nav" aria-label="Pages" data-opened={opened || undefined}>
        {pages.map(({ to, label, icon: Icon }) => (
          <NavLink
            key={to}
            component={Link}
            to={to}
            label={label}
            leftSection={<Icon size={18} aria-hidden />}
            active={to === "/" ? path === "/" : path.startsWith(to)}
            onClick={close}
          />
        ))}
      </nav>
      <main className="tk-main" id="main" tabIndex={-1}>
        <Lost />
        <Outlet />
      </main>
      <Shortcuts onPalette={palette.open} />
      {palette.loaded && <Suspense><Palette query={palette.query} onQuery={palette.setQuery} /></Suspense>}
    </div>
  );
}
