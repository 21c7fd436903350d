// The emoji of Unicode with their names in the reader's language, as files of our own that the picker keeps in the
// browser. Loaded with the first emoji that somebody looks for.
import de from "emoji-picker-element-data/de/cldr/data.json?url";
import en from "emoji-picker-element-data/en/cldr/data.json?url";
import es from "emoji-picker-element-data/es/cldr/data.json?url";
import fr from "emoji-picker-element-data/fr/cldr/data.json?url";
import ja from "emoji-picker-element-data/ja/cldr/data.json?url";
import Database from "emoji-picker-element/database";
import { language } from "../words";

const FILES: Readonly<Record<string, string>> = { de, en, es, fr, ja };

export const locale = language in FILES ? language : "en";
export const dataSource = FILES[locale] ?? en;

export function openDatabase(): Database {
  return new Database({ locale, dataSource });
}
