// HTML that the owner wrote, built anew from the elements and attributes that a page may have. The server has cleaned it
// already; this keeps to the same rules by itself, so that none of it becomes markup of the page as it came.
import { type ComponentChildren, h } from "preact";
import { useMemo } from "preact/hooks";

const PLAIN = new Set(
  (
    "ABBR B BLOCKQUOTE BR CENTER CODE DEL DD DETAILS DIV DL DT EM FIGCAPTION FIGURE HR I INS KBD LI MARK OL P PRE Q S SMALL SPAN " +
    "STRONG SUB SUMMARY SUP TABLE TBODY TD TFOOT TH THEAD TR U UL"
  ).split(" "),
);
const HEADING = /^H([1-6])$/;
/** Elements whose words are not for reading. */
const DROPPED = new Set(["SCRIPT", "STYLE", "TEMPLATE", "IFRAME", "OBJECT", "NOSCRIPT", "TEXTAREA", "TITLE"]);
const ATTRIBUTES = ["title", "align", "colspan", "rowspan", "scope", "start", "open", "width", "height", "alt"];
const LINK = /^(https?:|mailto:|xmpp:|matrix:|#|\/(?!\/))/i;
/** The page's policy takes pictures from nowhere else. */
const PICTURE = /^(https:\/\/|\/(?!\/))/i;
const NUMBER = /^\d{1,4}%?$/;
/** Deeper than this nobody nests anything, and a browser that draws it runs out of stack. */
const MAX_DEPTH = 40;

interface Props {
  html: string;
  class: string;
  /** The level of the page's heading that it stands under. */
  under?: number;
}

export function SafeHtml({ html, class: name, under = 2 }: Props) {
  const content = useMemo(() => copy(new DOMParser().parseFromString(html, "text/html").body, headingsUnder(under), 0), [html, under]);
  return <div class={name}>{content}</div>;
}

/** Gives each heading of a text a level below the page's own, one deeper than the heading it belongs to, whatever it skips. */
function headingsUnder(level: number): (written: number) => string {
  const open: number[] = [];
  return (written) => {
    while ((open.at(-1) ?? 0) >= written) open.pop();
    open.push(written);
    return `h${Math.min(6, level + open.length)}`;
  };
}

function copy(parent: Node, heading: (written: number) => string, depth: number): ComponentChildren[] {
  if (depth > MAX_DEPTH) return [parent.textContent];
  return Array.from(parent.childNodes, (node) => {
    if (node.nodeType === Node.TEXT_NODE) return node.nodeValue;
    if (!(node instanceof Element)) return null;
    const name = node.tagName;
    if (DROPPED.has(name)) return null;
    if (name === "IMG") return picture(node);
    const level = HEADING.exec(name)?.[1];
    const tag = level ? heading(Number(level)) : PLAIN.has(name) && name.toLowerCase();
    const inside = copy(node, heading, depth + 1);
    if (name === "A") return link(node, inside);
    return tag ? h(tag, attributesOf(node), inside) : <>{inside}</>;
  });
}

function link(node: Element, inside: ComponentChildren[]) {
  const target = node.getAttribute("href") ?? "";
  if (!LINK.test(target)) return <span {...attributesOf(node)}>{inside}</span>;
  const elsewhere = !target.startsWith("#");
  return (
    <a {...attributesOf(node)} href={target} {...(elsewhere && { target: "_blank", rel: "noopener noreferrer" })}>
      {inside}
    </a>
  );
}

function picture(node: Element) {
  const source = node.getAttribute("src") ?? "";
  const label = node.getAttribute("alt") ?? "";
  if (!PICTURE.test(source)) return label;
  return <img {...attributesOf(node)} src={source} alt={label} loading="lazy" referrerpolicy="no-referrer" />;
}

function attributesOf(node: Element): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of ATTRIBUTES) {
    const value = node.getAttribute(name);
    if (value === null || ((name === "width" || name === "height") && !NUMBER.test(value))) continue;
    found[name] = value;
  }
  // Only what the server has marked as the content's own: an id of the page's would be taken away from it.
  if (node.id.startsWith("content-")) found.id = node.id;
  return found;
}
