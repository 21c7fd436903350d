// Words out of HTML, names in words, and what completes them.
import { expect, test } from "vitest";
import { contrast, parseColor, type Rgb, readable } from "../src/chat/colors";
import { readEmoji } from "../src/chat/emoji";
import { cutMentions, mentions, wordsOf } from "../src/chat/plain";
import { completed, findPeople, queryAt } from "../src/chat/suggest";
import type { User } from "../src/chat/wire";

test.each([
  ["<p>one<br>\ntwo</p>\n<p>three</p>", "one two three"],
  ["<p>a &amp; b &lt;c&gt; &quot;d&quot; &#39;e&#39; &amp;lt; &unknown;</p>", `a & b <c> "d" 'e' &lt; &unknown;`],
  [`<p><a href="https://a.example" rel="x">there</a> <img class="emoji" src="/img/emoji/x.gif" alt=":x:" title=":x:"></p>`, "there :x:"],
  ["<pre><code>x\n  y</code></pre>", "x y"],
  ["<<<p>>", "<<>"],
  ["&#99999999; &#1114112; &#128512;", "&#99999999; 😀"],
  ["", ""],
])("%j reads as %j", (html, words) => {
  expect(wordsOf(html)).toBe(words);
});

test("hostile HTML is read in time that grows with its length", () => {
  for (const part of ["<", "<img ", "&", '<img alt="', "@", "@a "]) {
    const long = part.repeat(10_000);
    expect(wordsOf(long).length).toBeLessThanOrEqual(long.length);
    expect(cutMentions(long, () => false)).toEqual([{ text: long, name: false }]);
    expect(mentions(long, "Ana")).toBe(false);
  }
});

test("a mention is of the whole name, whatever its case", () => {
  expect(mentions("hello @ana, there", "Ana")).toBe(true);
  expect(mentions("@Anabel and @ana", "Ana")).toBe(true);
  expect(mentions("@Anabel", "Ana")).toBe(false);
  expect(mentions("ana", "Ana")).toBe(false);
  expect(mentions("@", "")).toBe(false);
});

test("of names that hold spaces the longest is meant", () => {
  const names = new Set(["amber", "amber fox", "zoë!"]);
  const cut = (words: string) => cutMentions(words, (name) => names.has(name)).map(({ text, name }) => (name ? `[${text}]` : text)).join("");
  expect(cut("hi @Amber Fox, hi @amber foxes, @zoë!")).toBe("hi [@Amber Fox], hi [@amber] foxes, [@zoë!]");
  expect(cut("mail@amber.example @nobody @")).toBe("mail[@amber].example @nobody @");
  expect(cut("")).toBe("");
});

test.each([
  ["@a", 2, { sign: "@", typed: "a", from: 0 }],
  ["hi @", 4, { sign: "@", typed: "", from: 3 }],
  ["hi :tea and", 7, { sign: ":", typed: "tea", from: 3 }],
  ["hi :t", 5, null],
  ["a:tea", 5, null],
  ["https://x", 9, null],
  ["@a b", 4, null],
  ["mail@a", 6, null],
  [`@${"a".repeat(31)}`, 32, null],
])("%j at %d asks for %j", (words, caret, query) => {
  expect(queryAt(words, caret)).toEqual(query);
});

test("completing replaces the word and puts the caret behind it", () => {
  expect(completed("hi @a there", { sign: "@", typed: "a", from: 3 }, "@Ana")).toEqual({ words: "hi @Ana there", caret: 8 });
  expect(completed("hi @a", { sign: "@", typed: "a", from: 3 }, "@Ana")).toEqual({ words: "hi @Ana ", caret: 8 });
});

test("people are found by the beginning of a word of their name, who wrote last first", () => {
  const user = (name: string): User => ({ id: name, name, color: 0, moderator: false, bot: false });
  const people = new Map(["Amber Fox", "Fox", "Ana", "Foxy"].map((name) => [name.toLowerCase(), user(name)]));
  const names = (typed: string, limit = 9) => findPeople(people, typed, user("Foxy"), limit).map(({ name }) => name);
  expect(names("fo")).toEqual(["Fox", "Amber Fox"]);
  expect(names("")).toEqual(["Ana", "Fox", "Amber Fox"]);
  expect(names("", 1)).toEqual(["Ana"]);
  expect(names("x")).toEqual([]);
});

test("emoji are those that the chat would show, and no others", () => {
  const good = { name: "party", url: "/img/emoji/party.gif" };
  const bad = [null, 7, { name: "<b>", url: good.url }, { name: "x", url: "https://evil.example/x.gif" }, { name: "x", url: "/img/emoji/../x.gif" }, { url: good.url }];
  expect(readEmoji([good, ...bad])).toEqual([good]);
  expect(readEmoji({ success: false })).toEqual([]);
});

const GROUNDS: readonly Rgb[] = [
  [255, 255, 255],
  [247, 247, 250],
  [18, 18, 23],
  [0, 0, 0],
  [110, 110, 120],
];

test("every colour can be read on every ground, and one that can is left as it is", () => {
  const levels = [0, 64, 128, 192, 255];
  for (const ground of GROUNDS) {
    for (const red of levels) {
      for (const green of levels) {
        for (const blue of levels) {
          const color: Rgb = [red, green, blue];
          const found = readable(color, [ground]);
          expect(contrast(found, ground)).toBeGreaterThanOrEqual(4.5);
          if (contrast(color, ground) >= 4.5) expect(found).toEqual(color);
        }
      }
    }
  }
});

test("computed colours are read in the notations that browsers use", () => {
  expect(parseColor("rgb(1, 2, 3)")).toEqual([1, 2, 3]);
  expect(parseColor("rgba(1, 2, 3, 0.5)")).toEqual([1, 2, 3]);
  expect(parseColor("color(srgb 1 0.5 0)")).toEqual([255, 127.5, 0]);
  expect(parseColor("oklch(0.7 0.1 200)")).toBeNull();
  expect(parseColor("")).toBeNull();
});
