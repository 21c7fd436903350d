// A message's HTML, built anew from what chat allows. The server has cleaned it already; this keeps to the same rules by
// itself, so that a message never becomes markup of the page, whatever comes over the socket.
import { type ComponentChildren, h } from "preact";

const PLAIN = new Set(["P", "STRONG", "EM", "CODE", "PRE"]);
const LINK = /^(https?:|mailto:)/i;
const EMOJI = /^\/img\/emoji\/[\w.-]+$/;

export function Body({ html }: { html: string }) {
  return <>{copy(new DOMParser().parseFromString(html, "text/html").body)}</>;
}

function copy(parent: Node): ComponentChildren[] {
  return Array.from(parent.childNodes, (node) => {
    if (node.nodeType === Node.TEXT_NODE) return node.nodeValue;
    if (!(node instanceof Element)) return null;
    const name = node.tagName;
    if (name === "BR") return <br />;
    if (PLAIN.has(name)) return h(name.toLowerCase(), null, copy(node));
    if (name === "A") {
      const target = node.getAttribute("href") ?? "";
      if (!LINK.test(target)) return <span>{copy(node)}</span>;
      return (
        <a href={target} target="_blank" rel="noopener noreferrer nofollow ugc">
          {copy(node)}
        </a>
      );
    }
    if (name === "IMG") {
      const source = node.getAttribute("src") ?? "";
      const label = node.getAttribute("alt") ?? "";
      return EMOJI.test(source) ? <img class="emoji" src={source} alt={label} title={label} /> : label;
    }
    return name === "SCRIPT" || name === "STYLE" ? null : <>{copy(node)}</>;
  });
}
