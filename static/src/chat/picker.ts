// The emoji picker with the server's own emoji, in the reader's language: emoji-picker-element, kept to files of ours.
import type { I18n } from "emoji-picker-element/shared";
import Picker from "emoji-picker-element/picker";
import { t } from "../words";
import { customEmoji } from "./emoji";
import { dataSource, locale } from "./emoji-data";

/** What the picker says; its own English is left out of the build. */
const words = (): I18n => ({
  categoriesLabel: t("emoji.categories"),
  emojiUnsupportedMessage: t("emoji.unsupported"),
  favoritesLabel: t("emoji.favorites"),
  loadingMessage: t("loading"),
  networkErrorMessage: t("emoji.failed"),
  regionLabel: t("emoji.picker"),
  searchDescription: t("emoji.howToSearch"),
  searchLabel: t("emoji.search"),
  searchResultsLabel: t("emoji.found"),
  skinToneDescription: t("emoji.howToTone"),
  // The picker itself puts the tone into this.
  skinToneLabel: t("emoji.tone"),
  skinTonesLabel: t("emoji.tones"),
  skinTones: [
    t("emoji.tone.none"),
    t("emoji.tone.light"),
    t("emoji.tone.mediumLight"),
    t("emoji.tone.medium"),
    t("emoji.tone.mediumDark"),
    t("emoji.tone.dark"),
  ],
  categories: {
    custom: t("chat.serverEmoji"),
    "smileys-emotion": t("emoji.smileys"),
    "people-body": t("emoji.people"),
    "animals-nature": t("emoji.animals"),
    "food-drink": t("emoji.food"),
    "travel-places": t("emoji.travel"),
    activities: t("emoji.activities"),
    objects: t("emoji.objects"),
    symbols: t("emoji.symbols"),
    flags: t("emoji.flags"),
  },
});
/** Pixels that one emoji takes in a row, and those of the scroll bar. */
const CELL = 38;
const SCROLL_BAR = 18;

/** A picker within `parent`; `pick` gets what is to be put into the field. */
export async function openPicker(parent: HTMLElement, pick: (text: string) => void): Promise<void> {
  const custom = await customEmoji();
  if (!parent.isConnected) return;
  const picker = new Picker({ locale, dataSource, i18n: words() });
  picker.customEmoji = custom.map(({ name, url }) => ({ name, url, shortcodes: [name], category: t("chat.serverEmoji") }));
  picker.addEventListener("emoji-click", ({ detail }) => {
    const text = detail.unicode ?? (detail.name && `:${detail.name}:`);
    if (text) pick(text);
  });
  picker.style.setProperty("--num-columns", String(Math.max(4, Math.floor((parent.clientWidth - SCROLL_BAR) / CELL))));
  parent.append(picker);
  // On a phone the field would open the keyboard over the emoji.
  if (matchMedia("(hover: hover)").matches) picker.shadowRoot?.querySelector("input")?.focus();
}
