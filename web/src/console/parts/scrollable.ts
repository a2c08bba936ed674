// A part that may be wider than its place: it can be reached and moved by keys, and says what it is.

export function scrollable(node: HTMLElement): void {
  node.tabIndex = 0;
  node.setAttribute("role", "region");
  node.setAttribute("aria-label", node.querySelector("caption")?.textContent ?? "");
}
