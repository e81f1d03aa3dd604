import type { NotificationData } from "@mantine/notifications";
import { messageOf } from "../api/errors";

const LONG_MS = 8_000;

const load = () => import("@mantine/notifications").then((it) => it.notifications);

/** Show a note at the edge of the page. */
export const note = (data: NotificationData): void => void load().then((it) => it.show(data));

/** Take a note away, by its id. */
export const unnote = (id: string): void => void load().then((it) => it.hide(id));

/** Say that something was done. */
export const say = (message: string): void => note({ message });

/** Say that something was not done, and why. */
export const complain = (title: string, error: unknown): void =>
  note({ title, message: messageOf(error), color: "red", autoClose: LONG_MS });
