import { RouterProvider } from "@tanstack/react-router";
import { useEffect } from "react";
import { router } from "./router";

/** What people see who are signed in. */
export function Console() {
  // Signed out they may have gone back, which the router did not see, or left a page that was on its way.
  useEffect(() => void router.load(), []);
  return <RouterProvider router={router} />;
}
