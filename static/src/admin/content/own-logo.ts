/** Whether the logo is the owner's: the server's own is the only one that is drawn (SVG) and not painted. */
export async function hasOwnLogo(): Promise<boolean> {
  const answer = await fetch("/logo", { method: "HEAD", cache: "no-store" });
  return answer.ok && !answer.headers.get("Content-Type")?.startsWith("image/svg+xml");
}
