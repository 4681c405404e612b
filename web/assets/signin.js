// The form to sign in with an operator token. It is shown only where the controller wants one.
import { login } from './api.js';
import { field, h } from './dom.js';

/** Shows it; `done` is called once we are known. */
export function signInPage(place, done) {
  const token = field('Operator token', h('input', { type: 'password', required: true, autocomplete: 'current-password', spellcheck: 'false' }),
    'Made on the controller’s host by: throng token create --role operator');
  const name = field('Your name', h('input', { type: 'text', autocomplete: 'name', maxlength: '60' }), 'Stands in the report beside what you change. May be left out.');
  const button = h('button', { class: 'main' }, 'Sign in');
  const form = h('form', { class: 'panel narrow', novalidate: true }, h('h1', {}, 'Sign in'), token.element, name.element, h('div', { class: 'actions' }, button));
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const value = token.control.value.trim();
    if (!value) {
      token.complain('Paste the token here.');
      token.control.focus();
      return;
    }
    button.disabled = true;
    token.complain('');
    try {
      await login(value, name.control.value.trim());
      done();
    } catch (error) {
      token.complain(error.message);
      token.control.focus();
    } finally {
      button.disabled = false;
    }
  });
  place.append(form);
  token.control.focus();
}
