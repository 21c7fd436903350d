// A message's HTML as plain words, for what is read aloud, quoted or searched. Pure: the result is only ever text, so
// this need not understand HTML, it has to lose its signs.

const MAX_NAME = 60;
/** In one message; what follows stays plain. */
const MAX_MENTIONS = 20;
const IN_WORD = /[\p{L}\p{N}_]/u;
const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', nbsp: " " };

/** The words of `html` on one line, emoji by their names. */
export function wordsOf(html: string): string {
  return html
    .replace(/<img\b[^<>]*?\balt="([^"<>]*)"[^<>]*>/gi, "$1")
    .replace(/<(?:br|\/p|\/pre)\b[^<>]*>/gi, " ")
    .replace(/<[^<>]*>/g, "")
    .replace(/&(?:#(\d{1,7})|(\w{2,6}));/g, (whole, code?: string, name?: string) =>
      code ? fromCode(Number(code)) : (ENTITIES[name ?? ""] ?? whole),
    )
    .replace(/\s+/g, " ")
    .trim();
}

/** Whether those words speak to somebody of that name: "@Ana", but not "@Anabel". */
export function mentions(words: string, name: string): boolean {
  if (!name || !words.includes("@")) return false;
  const wanted = `@${name.toLowerCase()}`;
  const lower = words.toLowerCase();
  for (let at = lower.indexOf(wanted); at >= 0; at = lower.indexOf(wanted, at + 1)) {
    if (!IN_WORD.test(lower.charAt(at + wanted.length))) return true;
  }
  return false;
}

export interface Piece {
  text: string;
  /** Whether it is the name of somebody, with its sign. */
  name: boolean;
}

/** `words`, cut around each "@name" that `isName` knows (in small letters, without the sign). */
export function cutMentions(words: string, isName: (name: string) => boolean): Piece[] {
  const pieces: Piece[] = [];
  let done = 0;
  let looked = 0;
  for (let at = words.indexOf("@"); at >= 0 && looked < MAX_MENTIONS; at = words.indexOf("@", at + 1)) {
    looked += 1;
    const name = at < done ? "" : longestName(words.slice(at + 1, at + 1 + MAX_NAME), isName);
    if (!name) continue;
    if (at > done) pieces.push({ text: words.slice(done, at), name: false });
    done = at + 1 + name.length;
    pieces.push({ text: words.slice(at, done), name: true });
  }
  if (done < words.length) pieces.push({ text: words.slice(done), name: false });
  return pieces;
}

/** Names may hold spaces: of several that fit, the longest is meant. */
function longestName(rest: string, isName: (name: string) => boolean): string {
  for (let end = rest.length; end > 0; end -= 1) {
    if (!IN_WORD.test(rest.charAt(end)) && isName(rest.slice(0, end).toLowerCase())) return rest.slice(0, end);
  }
  return "";
}

function fromCode(code: number): string {
  return code <= 0x10ffff ? String.fromCodePoint(code) : "";
}
