// Sends page views and clicks (or a bank's user-interface events) of this page to the collector that served
// this script. What people type is never sent: of a field that is not a password, a hash with a salt that
// never leaves the page. Of addresses only the path is sent, of elements only an id or a name.
//
// On a bank's pages, <body data-floodmark="login_view"> names the event of opening the page.
//
//   <script src="http://localhost:8088/snippet.js" defer></script>
//
// data-floodmark="add_to_cart" on an element names the event of a click on it; floodmark.track("purchase")
// sends one from the page's own code; floodmark.user("visitor-7") says who is logged in.
(() => {
  'use strict';
  const banking = '%STREAM%' === 'banking';
  const endpoint = new URL('/events', document.currentScript.src).href;
  const batch = 20, mostWaiting = 1000, everyMs = 1000;

  const uuid = () => 'xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx'.replace(/x/g, () =>
    (crypto.getRandomValues(new Uint8Array(1))[0] & 15).toString(16));
  const kept = (store, name, make) => {
    try {
      const found = store.getItem(name) || make();
      store.setItem(name, found);
      return found;
    } catch {
      return make(); // storage is off: a visitor a page
    }
  };
  let user = kept(localStorage, 'floodmark-user', () => 'visitor-' + uuid());
  const session = kept(sessionStorage, 'floodmark-session', uuid);
  const device = kept(localStorage, 'floodmark-device', () => uuid().replace(/-/g, '').slice(0, 16));

  let waiting = [], sending = false, pauseMs = 0;
  const track = (type, more) => {
    waiting.push({ id: uuid(), at: Date.now(), type, page: location.pathname.slice(0, 512), ...more });
    if (waiting.length > mostWaiting) waiting.shift();
    if (waiting.length >= batch) send();
  };
  const body = events => JSON.stringify({
    user_id: user, session_id: session, device, sent_at: Date.now(), events,
  });
  const send = async () => {
    if (sending || waiting.length === 0) return;
    sending = true;
    const events = waiting.slice(0, batch);
    try {
      const answer = await fetch(endpoint, {
        method: 'POST', body: body(events), headers: { 'content-type': 'application/json' },
      });
      const later = answer.status === 429 || answer.status >= 500;
      if (!later) waiting = waiting.filter(event => !events.includes(event));
      pauseMs = later ? Math.min(30000, 2 * (pauseMs || 500)) : 0;
    } catch {
      pauseMs = Math.min(30000, 2 * (pauseMs || 500));
    }
    sending = false;
  };
  const loop = async () => {
    await send();
    setTimeout(loop, Math.max(everyMs, pauseMs));
  };
  // What is left when the page goes; the browser sends it after the page is gone. An event that was under
  // way may come twice, with the same id.
  addEventListener('pagehide', () => {
    while (waiting.length > 0) navigator.sendBeacon(endpoint, body(waiting.splice(0, batch)));
  });

  // What the collector takes for a name of an event.
  const name = text => String(text).toLowerCase().replace(/[^a-z_]/g, '_').slice(0, 40);
  const id = element => (element.id || element.name || element.tagName.toLowerCase()).slice(0, 64);
  const press = event => {
    const target = event.target.closest?.('a,button,input[type=submit],[data-floodmark]');
    if (!target) return;
    const said = target.closest('[data-floodmark]:not(body)')?.dataset.floodmark;
    track(said ? name(said) : 'click', banking ? { element: id(target) } : {});
  };
  addEventListener('click', press, true);

  if (banking) {
    const salt = uuid();
    const hash = async text => {
      if (!crypto.subtle) return undefined; // only on pages that came over HTTPS or from this machine
      const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(salt + text));
      return [...new Uint8Array(digest)].slice(0, 8).map(b => b.toString(16).padStart(2, '0')).join('');
    };
    let lastInput = 0;
    addEventListener('change', async event => {
      const field = event.target;
      if (!('value' in field)) return;
      const now = performance.now();
      const latency_ms = lastInput ? Math.round(now - lastInput) : 0;
      lastInput = now;
      const masked = field.type === 'password' ? undefined : await hash(field.value);
      track('field_input', { element: id(field), latency_ms, ...(masked && { input_hash: masked }) });
    }, true);
    const opened = () => {
      const said = document.body.dataset.floodmark;
      track(said ? name(said) : 'page_view', { element: 'page' });
    };
    // A script in the page's head runs before there is a body.
    if (document.body) opened();
    else addEventListener('DOMContentLoaded', opened);
  } else {
    addEventListener('submit', event => {
      if (event.target.querySelector('input[type=search]')) track('search', {});
    }, true);
    addEventListener('error', () => track('error', {}));
    // A change of the fragment or the query alone is no new page, though browsers announce it like one.
    let shown;
    const view = () => {
      if (shown === location.pathname) return;
      shown = location.pathname;
      track('page_view', {});
    };
    const push = history.pushState;
    history.pushState = function (...given) {
      push.apply(this, given);
      view();
    };
    addEventListener('popstate', view);
    view();
  }
  window.floodmark = {
    track: type => track(name(type), banking ? { element: 'page' } : {}),
    user: id => { user = String(id).replace(/[^\w.-]/g, '_').slice(0, 128); },
  };
  loop();
})();
