import { ColorSchemeMenu } from "./ColorSchemeMenu";
import { ZoneMenu } from "./ZoneMenu";

/** The menus of the header, in a file of their own: what floats is loaded after the page. */
export function HeaderMenus() {
  return (
    <>
      <ZoneMenu />
      <ColorSchemeMenu />
    </>
  );
}
