import { Alert, createTheme, type CSSVariablesResolver } from "@mantine/core";

// The head of a dialog is no banner of the page.
const HEAD = { header: { role: "none" } };

export const theme = createTheme({
  primaryColor: "indigo",
  primaryShade: { light: 7, dark: 8 },
  autoContrast: true,
  defaultRadius: "md",
  fontFamily: "Inter, system-ui, -apple-system, 'Segoe UI', sans-serif",
  fontFamilyMonospace: "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace",
  respectReducedMotion: true,
  components: {
    // A title in the colour of the alert has too little contrast, yellow and orange above all.
    Alert: Alert.extend({ defaultProps: { variant: "light" }, styles: { title: { color: "var(--mantine-color-bright)" } } }),
    // Named, not imported: what a page does not show yet is loaded later.
    Modal: { defaultProps: { attributes: HEAD, closeButtonProps: { "aria-label": "Close" } }, styles: { title: { fontWeight: 600 } } },
    Drawer: { defaultProps: { attributes: HEAD, closeButtonProps: { "aria-label": "Close" }, position: "right", size: "lg" }, styles: { title: { fontWeight: 600 } } },
    Notification: { defaultProps: { closeButtonProps: { "aria-label": "Close" } } },
    Select: { defaultProps: { openOnFocus: false } },
    MultiSelect: { defaultProps: { openOnFocus: false } },
    TagsInput: { defaultProps: { openOnFocus: false } },
  },
});

/** Colours of text with a contrast of at least 4.5:1; Mantine's own red on white has 3:1. */
export const readable: CSSVariablesResolver = (it) => ({
  variables: {},
  light: {
    "--mantine-color-error": it.colors.red[9],
    "--mantine-color-dimmed": it.colors.gray[7],
    // The page's own link in the navigation, with the pointer on it.
    "--mantine-color-indigo-light-hover": "#cbd6ff",
  },
  dark: { "--mantine-color-error": it.colors.red[4], "--mantine-color-dimmed": it.colors.dark[1] },
});
