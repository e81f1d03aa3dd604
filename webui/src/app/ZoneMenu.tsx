import { Button, Menu, TextInput } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { changed } from "../shared/url/search";
import { BROWSER_ZONE, isZone, useZone } from "../shared/url/zone";

/** The time zone of the page: times and the limits of days are all in it. */
export function ZoneMenu() {
  const zone = useZone();
  const navigate = useNavigate();
  const [other, setOther] = useState("");
  const choose = (name: string) =>
    void navigate({ to: ".", search: (old) => changed(old, { zone: name === BROWSER_ZONE ? undefined : name }), replace: true });
  const known = [...new Set([BROWSER_ZONE, "UTC"])];
  const wrong = other !== "" && !isZone(other);
  return (
    <Menu closeOnItemClick>
      <Menu.Target>
        <Button variant="default" size="xs" aria-label={`Time zone: ${zone}`} px="xs">{zone.split("/").at(-1)?.replaceAll("_", " ")}</Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>Time zone</Menu.Label>
        {known.map((it) => (
          <Menu.Item key={it} aria-current={it === zone} fw={it === zone ? 600 : 400} onClick={() => choose(it)}>
            {it}{it === BROWSER_ZONE ? " (this browser)" : ""}
          </Menu.Item>
        ))}
        <form onSubmit={(event) => { event.preventDefault(); if (other !== "" && !wrong) choose(other); }}>
          <TextInput
            m="xs"
            size="xs"
            label="Another"
            placeholder="Europe/Berlin"
            value={other}
            error={wrong ? "No time zone has this name" : undefined}
            onChange={(event) => setOther(event.currentTarget.value)}
            onKeyDown={(event) => event.stopPropagation()}
          />
        </form>
      </Menu.Dropdown>
    </Menu>
  );
}
