// The words of the pages: every language says everything, with the same values in it, and each page has the words it uses.
import { expect, test } from "vitest";

type Words = Record<string, string>;

const LANGUAGES = ["de", "en", "es", "fr", "ja"] as const;
/** The folders of words that the server gives each page; as in `web/site.py`. */
const PAGES = { viewer: ["kit", "viewer", "chat"], admin: ["kit", "admin"] } as const;
/** The folders of sources that each page is made of. */
const SOURCES = { viewer: ["kit", "viewer", "chat", "player", "api"], admin: ["kit", "admin", "api"] } as const;

const files: Record<string, Words> = import.meta.glob("../public/words/**/*.json", { eager: true, import: "default" });
const sources: Record<string, string> = import.meta.glob("../src/**/*.{ts,tsx}", { eager: true, query: "?raw", import: "default" });
const folders = [...new Set(Object.keys(files).map((path) => path.slice(0, path.lastIndexOf("/"))))];

const PLURAL = /\.(zero|one|two|few|many|other)$/;
const base = (key: string) => key.replace(PLURAL, "");

/** The keys that a language needs to say what English says: one for each of its plurals. */
function needed(english: Words, language: string): string[] {
  const categories = new Intl.PluralRules(language).resolvedOptions().pluralCategories;
  return Object.keys(english)
    .flatMap((key) => {
      if (!PLURAL.test(key) || !(`${base(key)}.other` in english)) return [key];
      return categories.map((category) => `${base(key)}.${category}`);
    })
    .filter((key, at, all) => all.indexOf(key) === at)
    .sort();
}

function values(text: string): string[] {
  return [...new Set(text.match(/\{\w+\}/g) ?? [])].sort();
}

test.each(folders.flatMap((folder) => LANGUAGES.map((language) => [folder.replace("../public/words/", ""), language])))(
  "%s in %s is complete",
  (folder, language) => {
    const english = files[`../public/words/${folder}/en.json`] ?? {};
    const found = files[`../public/words/${folder}/${language}.json`] ?? {};
    expect(Object.keys(found).sort()).toEqual(needed(english, language));
    for (const [key, text] of Object.entries(found)) {
      expect(text.trim(), key).toBe(text);
      expect(text, key).not.toBe("");
      const same = english[key] ?? english[`${base(key)}.other`] ?? "";
      // A plural of one may leave its number out: "one viewer".
      const allowed = values(same);
      const wanted = PLURAL.test(key) ? values(text).concat("{count}") : values(text);
      expect([...new Set(wanted)].sort(), key).toEqual(PLURAL.test(key) ? [...new Set(allowed.concat("{count}"))].sort() : allowed);
    }
  },
);

test.each(Object.keys(PAGES) as Array<keyof typeof PAGES>)("the %s has every word that it uses, and no other", (page) => {
  const keys = Object.entries(files)
    .filter(([path]) => path.endsWith("/en.json") && PAGES[page].some((folder) => path.startsWith(`../public/words/${folder}/`)))
    .flatMap(([, words]) => Object.keys(words).map(base));
  const text = Object.entries(sources)
    .filter(([path]) => SOURCES[page].some((folder) => path.startsWith(`../src/${folder}/`)) || /^\.\.\/src\/\w+\.ts$/.test(path))
    .map(([, source]) => source)
    .join("\n");
  const literal = new Set([...text.matchAll(/"([\w.-]+)"/g)].map(([, key]) => key));
  const made = [...text.matchAll(/`([\w.-]+)\$\{[^}]+\}([\w.-]*)`/g)].map(([, before, after]) => new RegExp(`^${before}[\\w -]+${after}$`));
  const asked = [...text.matchAll(/\b(?:t|plural|rich)\(\s*"([\w.-]+)"/g)].map(([, key]) => key);
  expect(asked.filter((key) => !keys.includes(key ?? ""))).toEqual([]);
  const own = keys.filter((key) => !kit(key));
  expect(own.filter((key) => !literal.has(key) && !made.some((pattern) => pattern.test(key)))).toEqual([]);
});

/** Words of the kit may be used by one page alone. */
function kit(key: string): boolean {
  return Object.keys(files["../public/words/kit/en.json"] ?? {}).some((each) => base(each) === key);
}
