import { Anchor, type AnchorProps, Button, type ButtonProps } from "@mantine/core";
import { createLink } from "@tanstack/react-router";
import type { ComponentPropsWithRef } from "react";

type Html<Props> = Props & Omit<ComponentPropsWithRef<"a">, keyof Props>;

/** A link of text to a page. */
export const AnchorLink = createLink((props: Html<AnchorProps>) => <Anchor size="sm" style={{ overflowWrap: "anywhere" }} {...props} />);

/** A link that looks like a button. */
export const ButtonLink = createLink((props: Html<ButtonProps>) => <Button component="a" {...props} />);
