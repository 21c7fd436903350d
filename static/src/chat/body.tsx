// A message's HTML, built anew from what chat allows. The server has cleaned it already; this keeps to the same rules by
// itself, so that a message never becomes markup of the page, whatever comes over the socket.
import { type ComponentChildren, h } from "preact";
import { cutMentions } from "./plain";

const PLAIN = new Set(["P", "STRONG", "EM", "CODE", "PRE"]);
const LINK = /^(https?:|mailto:)/i;
const EMOJI = /^\/img\/emoji\/[\w-]+\.[A-Za-z]+$/;
/** Most messages are words alone; those need no parser. */
const WORDS_ALONE = /^<p>([^<&]*)<\/p>$/;
const MAX_DEPTH = 20;

/** Parses; nothing in it is fetched or run. One for all, since a document for each message would flood memory. */
let inert: HTMLElement | undefined;

interface Props {
  html: string;
  /** Whether somebody here has that name (in small letters). */
  isName?: (name: string) => boolean;
}

export function Body({ html, isName }: Props) {
  const words = WORDS_ALONE.exec(html)?.[1];
  if (words !== undefined) return <p>{named(words, isName)}</p>;
  inert ??= document.implementation.createHTMLDocument().body;
  inert.innerHTML = html;
  return <>{copy(inert, isName, 0)}</>;
}

/** Whether an address is one of a custom emoji. */
export function isEmojiAddress(address: string): boolean {
  return EMOJI.test(address);
}

function copy(parent: Node, isName: Props["isName"], depth: number): ComponentChildren[] {
  if (depth > MAX_DEPTH) return [parent.textContent];
  return Array.from(parent.childNodes, (node) => {
    if (node.nodeType === Node.TEXT_NODE) return named(node.nodeValue ?? "", isName);
    if (!(node instanceof Element)) return null;
    const name = node.tagName;
    if (name === "BR") return <br />;
    if (PLAIN.has(name)) return h(name.toLowerCase(), null, copy(node, isName, depth + 1));
    if (name === "A") {
      const target = node.getAttribute("href") ?? "";
      if (!LINK.test(target)) return <span>{copy(node, isName, depth + 1)}</span>;
      return (
        <a href={target} target="_blank" rel="noopener noreferrer nofollow ugc">
          {copy(node, isName, depth + 1)}
        </a>
      );
    }
    if (name === "IMG") {
      const source = node.getAttribute("src") ?? "";
      const label = (node.getAttribute("alt") ?? "").slice(0, 60);
      return EMOJI.test(source) ? <img class="emoji" src={source} alt={label} title={label} /> : label;
    }
    return name === "SCRIPT" || name === "STYLE" ? null : <>{copy(node, isName, depth + 1)}</>;
  });
}

function named(words: string, isName: Props["isName"]): ComponentChildren {
  if (!isName || !words.includes("@")) return words;
  return cutMentions(words, isName).map(({ text, name }) => (name ? <span class="chat-at">{text}</span> : text));
}
