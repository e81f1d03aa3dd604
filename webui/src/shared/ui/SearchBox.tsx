import { CloseButton, TextInput } from "@mantine/core";
import { useDebouncedCallback } from "@mantine/hooks";
import { IconSearch } from "@tabler/icons-react";
import { useRouter } from "@tanstack/react-router";
import { useEffect, useState } from "react";

interface Props {
  label: string;
  value: string | undefined;
  onChange: (value: string | undefined) => void;
}

const PAUSE_MS = 250;

/** The search of a page; the key / leads to it. */
export function SearchBox({ label, value, onChange }: Props) {
  const [written, setWritten] = useState(value ?? "");
  useEffect(() => setWritten(value ?? ""), [value]);
  const tell = useDebouncedCallback((text: string) => onChange(text || undefined), PAUSE_MS);
  const router = useRouter();
  // Told after the way to another page has begun, it would lead back.
  useEffect(() => router.subscribe("onBeforeNavigate", ({ pathChanged }) => { if (pathChanged) tell.cancel(); }), [router, tell]);
  return (
    <TextInput
      label={label}
      value={written}
      maxLength={128}
      data-page-search
      leftSection={<IconSearch size={16} />}
      rightSection={written && <CloseButton aria-label="Clear the search" onClick={() => { setWritten(""); onChange(undefined); }} />}
      onChange={(event) => { setWritten(event.currentTarget.value); tell(event.currentTarget.value); }}
    />
  );
}
