import { setNonce } from "get-nonce";

/** The nonce that style elements of this page must carry; the gateway makes one for each answer. */
export const nonce = document.querySelector<HTMLMetaElement>('meta[name="csp-nonce"]')?.content ?? "";
// The library that locks scrolling under a dialog asks get-nonce, not Mantine.
if (nonce) setNonce(nonce);

interface Factory {
  createPolicy(name: string, rules: { createHTML: (text: string) => string }): unknown;
}

// React writes the text of Mantine's style elements through innerHTML. Text without a tag passes; HTML never does.
(window as unknown as { trustedTypes?: Factory }).trustedTypes?.createPolicy("default", {
  createHTML(text) {
    if (text.includes("<")) throw new TypeError("HTML from a string is not allowed here");
    return text;
  },
});
