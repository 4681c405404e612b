// Light or dark, before the first paint: the system's wish unless the person chose. Not a module, for modules run too late.
(() => {
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const chosen = () => {
    try {
      const value = localStorage.getItem('throng-theme');
      return value === 'light' || value === 'dark' ? value : 'auto';
    } catch {
      return 'auto';
    }
  };
  const apply = () => {
    const choice = chosen();
    document.documentElement.dataset.theme = choice === 'auto' ? (dark.matches ? 'dark' : 'light') : choice;
    document.documentElement.dataset.themeChoice = choice;
    dispatchEvent(new Event('throng-theme'));
  };
  dark.addEventListener('change', apply);
  addEventListener('throng-theme-choice', (event) => {
    try {
      localStorage.setItem('throng-theme', event.detail);
    } catch {
      // A browser that keeps nothing keeps no theme either.
    }
    apply();
  });
  apply();
})();
