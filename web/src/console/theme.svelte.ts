// Light, dark, or as the system has it; remembered on this computer.

export type Theme = "system" | "light" | "dark";
const KEPT = "console.theme";

class Themes {
  chosen = $state<Theme>("system");

  constructor() {
    const kept = localStorage.getItem(KEPT);
    this.choose(kept === "light" || kept === "dark" ? kept : "system");
  }

  choose(theme: Theme): void {
    this.chosen = theme;
    if (theme === "system") {
      delete document.documentElement.dataset.theme;
      localStorage.removeItem(KEPT);
    } else {
      document.documentElement.dataset.theme = theme;
      localStorage.setItem(KEPT, theme);
    }
  }

  next(): void {
    this.choose({ system: "light", light: "dark", dark: "system" }[this.chosen] as Theme);
  }
}

export const themes = new Themes();
