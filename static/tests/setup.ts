// Tests read English.
import chat from "../public/words/chat/en.json";
import kit from "../public/words/kit/en.json";
import viewer from "../public/words/viewer/en.json";
import { useWords } from "../src/words";

useWords("en", { ...kit, ...viewer, ...chat });
