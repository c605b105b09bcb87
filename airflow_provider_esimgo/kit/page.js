'use strict';
{
  const at = id => document.getElementById(id);
  const search = at('search'), only = at('only'), found = at('found');
  const nothing = at('nothing'), said = at('said');
  const cards = [...at('cards').children];
  const number = count => count.toLocaleString('en-GB');

  // Upper case last: it is what makes one of ß and SS, of ς and σ, of ı and I.
  const fold = text => text.normalize('NFKD').replace(/[\p{M}\p{Cf}]/gu, '').toUpperCase();

  let index;
  const indexed = () => index ??= cards.map(card =>
    [...card.querySelectorAll('h2,.id,.plan,dd')].map(part => fold(part.textContent.trim())).join('\n'));

  function filter() {
    const words = fold(search.value).split(/\s+/).filter(Boolean), texts = indexed();
    let count = 0;
    cards.forEach((card, here) => {
      const fits = words.every(word => texts[here].includes(word))
        && !(only?.checked && card.querySelector('.code'));
      if (card.hidden === fits) card.hidden = !fits;
      count += fits;
    });
    const filtered = words.length > 0 || Boolean(only?.checked);
    found.textContent = filtered ? `${number(count)} of ${number(cards.length)}` : '';
    nothing.hidden = count > 0;
    nothing.textContent = count ? '' : 'No eSIM matches. Clear the search (Esc) to see all of them.';
    if (filtered) scrollTo(0, 0);
  }

  function clear() {
    search.value = '';
    if (only) only.checked = false;
    filter();
  }

  async function copied(code) {
    try {
      await navigator.clipboard.writeText(code.textContent);
      return true;
    } catch { // refused, or not there: some browsers keep it from pages on disk
      getSelection().selectAllChildren(code);
      return document.execCommand('copy');
    }
  }

  async function copy(button) {
    const done = await copied(button.previousElementSibling);
    button.textContent = done ? 'Copied' : 'Copy by hand';
    said.textContent = done ? 'Copied' : 'This page may not copy. The code is selected: copy it by hand.';
    clearTimeout(button.back);
    button.back = setTimeout(() => { button.textContent = 'Copy'; said.textContent = ''; }, 2500);
  }

  if (search) {
    search.addEventListener('input', filter);
    only?.addEventListener('change', filter);
    at('cards').addEventListener('click', event => {
      const button = event.target.closest('button');
      if (button) copy(button);
    });
    document.addEventListener('keydown', event => {
      if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === '/' && event.target !== search) {
        event.preventDefault();
        search.focus();
        search.select();
      } else if (event.key === 'Escape') {
        clear();
      }
    });
  }
}
