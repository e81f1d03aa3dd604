import { Box, type BoxProps, type ElementProps } from "@mantine/core";

// Mantine's table brings its scroll area, and that everything that floats: a third of what a page loads.
type Part<Tag extends keyof React.JSX.IntrinsicElements> = BoxProps & ElementProps<Tag, keyof BoxProps>;

interface TableProps extends Part<"table"> {
  highlightOnHover?: boolean;
  /** Whether the head stays where it is while the rows below it are moved. */
  stickyHeader?: boolean;
}

function Root({ highlightOnHover = false, stickyHeader = false, ...rest }: TableProps) {
  return <Box component="table" className="tk-table" mod={{ hover: highlightOnHover, sticky: stickyHeader }} {...rest} />;
}

interface ScrollProps extends BoxProps {
  /** What is in the table, for people who move it by keys. */
  label: string;
  children: React.ReactNode;
}

/** What a table that needs more room than there is can be moved in. */
function Scroll({ label, children, ...rest }: ScrollProps) {
  return <Box tabIndex={0} role="region" aria-label={label} style={{ overflow: "auto" }} {...rest}>{children}</Box>;
}

const Thead = (props: Part<"thead">) => <Box component="thead" {...props} />;
const Tbody = (props: Part<"tbody">) => <Box component="tbody" {...props} />;
const Tr = (props: Part<"tr">) => <Box component="tr" {...props} />;
const Th = (props: Part<"th">) => <Box component="th" scope="col" {...props} />;
const Td = (props: Part<"td">) => <Box component="td" {...props} />;

/** A table, with parts that take Mantine's properties of style. */
export const Table = Object.assign(Root, { Scroll, Thead, Tbody, Tr, Th, Td });
