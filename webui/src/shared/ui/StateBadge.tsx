import { Badge, type MantineColor } from "@mantine/core";

export type Tone = "good" | "warning" | "bad" | "neutral" | "busy";

const COLORS: Record<Tone, MantineColor> = { good: "green", warning: "yellow", bad: "red", neutral: "gray", busy: "blue" };

/** The state of a thing as a word with a dot; the colour never says more than the word. */
export function StateBadge({ tone, children }: { tone: Tone; children: string }) {
  return (
    <Badge
      variant="default"
      tt="none"
      style={{ overflow: "visible", minWidth: "max-content" }}
      leftSection={
        <span
          aria-hidden
          style={{ display: "block", width: 8, height: 8, borderRadius: "50%", background: `var(--mantine-color-${COLORS[tone]}-6)` }}
        />
      }
    >
      {children}
    </Badge>
  );
}
