// As much of a browser as the pages of docs/channels.md need: an address, and elements that tell what they show.
globalThis.location = { search: process.env.PAGE_SEARCH };
globalThis.document = {
  getElementById: (id) => ({
    set textContent(text) {
      process.stdout.write(JSON.stringify([id, String(text)]) + "\n");
    },
  }),
};
