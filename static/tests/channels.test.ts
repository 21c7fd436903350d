// What a key of channels may do: as a choice, and in words.
import { expect, test } from "vitest";
import channels from "../public/words/admin/channels/en.json";
import { capabilityOf, permissionsOf } from "../src/admin/channels/capability";
import { useWords } from "../src/words";

useWords("en", channels);

test("a choice becomes what the server is told", () => {
  expect(capabilityOf("everything", ["a"], "x")).toBeNull();
  expect(capabilityOf("listen", ["a"], "x")).toEqual({ "*": ["subscribe", "history"] });
  const talk = ["subscribe", "history", "publish", "presence"];
  expect(capabilityOf("named", ["scores", "game:*"], "x")).toEqual({ scores: talk, "game:*": talk });
  expect(capabilityOf("own", ["a"], "not even JSON")).toBe("not even JSON");
});

test("a name that objects have by themselves is a channel like others", () => {
  const found = capabilityOf("named", ["__proto__", "constructor"], "");
  expect(Object.keys(found ?? {})).toEqual(["__proto__", "constructor"]);
  expect(permissionsOf(JSON.stringify(found))?.map(({ channel }) => channel)).toEqual(["__proto__", "constructor"]);
});

test("what is allowed is said channel by channel", () => {
  expect(permissionsOf('{"[*]*":["*"]}')).toBeNull();
  expect(permissionsOf('{"[*]*":["*"],"a":["stats"]}')).toBeNull();
  expect(permissionsOf('{"*":["history"],"[meta]*":["subscribe"],"a":["*"],"b":["brew","publish"]}')).toEqual([
    { channel: "All channels", operations: "read what was said" },
    { channel: "[meta]*", operations: "listen" },
    { channel: "a", operations: "everything" },
    { channel: "b", operations: "brew, publish" },
  ]);
});

test("an operation that objects have by themselves has no words", () => {
  expect(permissionsOf('{"a":["constructor","toString"]}')).toEqual([{ channel: "a", operations: "constructor, toString" }]);
});
