// The words of the pages in the reader's language, and numbers in their way of writing. The server has put the words
// into the page; their keys are those of English, which the types are made from.
import type { ComponentChild } from "preact";
import type admin from "../public/words/admin/en.json";
import type adminChat from "../public/words/admin/chat/en.json";
import type adminChannels from "../public/words/admin/channels/en.json";
import type adminContent from "../public/words/admin/content/en.json";
import type adminIntegrations from "../public/words/admin/integrations/en.json";
import type adminNow from "../public/words/admin/now/en.json";
import type adminServer from "../public/words/admin/server/en.json";
import type adminStream from "../public/words/admin/stream/en.json";
import type chat from "../public/words/chat/en.json";
import type kit from "../public/words/kit/en.json";
import type viewer from "../public/words/viewer/en.json";
import { initial } from "./state";

type Admin = typeof admin & typeof adminChat & typeof adminChannels & typeof adminContent & typeof adminIntegrations & typeof adminNow & typeof adminServer & typeof adminStream;
type AnyKey = keyof (Admin & typeof chat & typeof kit & typeof viewer);
/** A sentence that depends on a number has one key for each plural of the language: `x.one`, `x.other` and so on. */
export type PluralKey = AnyKey extends infer Key ? (Key extends `${infer Base}.other` ? Base : never) : never;
export type Key = Exclude<AnyKey, `${PluralKey}.${Intl.LDMLPluralRule}`>;
export type Values = Readonly<Record<string, string | number>>;

let words: Readonly<Record<string, string>> = initial.words;
export let language = initial.language;
let plurals = new Intl.PluralRules(language);
let numbers = new Intl.NumberFormat(language);

/** For tests, which have no server to put words into a page. */
export function useWords(inLanguage: string, found: Readonly<Record<string, string>>): void {
  language = inLanguage;
  words = found;
  plurals = new Intl.PluralRules(language);
  numbers = new Intl.NumberFormat(language);
}

/** The text of `key`, with `{name}` replaced by what `values` has under that name. */
export function t(key: Key, values: Values = {}): string {
  return fill(words[key] ?? key, values);
}

/** The text of `key` for `count`, which is also the value of `{count}`. */
export function plural(key: PluralKey, count: number, values: Values = {}): string {
  const text = words[`${key}.${plurals.select(count)}`] ?? words[`${key}.other`] ?? key;
  return fill(text, { ...values, count });
}

/** As `t`, for values that are elements. */
export function rich(key: Key, values: Readonly<Record<string, ComponentChild>>): ComponentChild[] {
  return (words[key] ?? key).split(/(\{\w+\})/).map((part) => {
    const name = /^\{(\w+)\}$/.exec(part)?.[1];
    return name !== undefined && name in values ? values[name] : part;
  });
}

/** "1,204", "1.204". */
export function number(value: number): string {
  return numbers.format(value);
}

function fill(text: string, values: Values): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === "number" ? numbers.format(value) : value;
  });
}
