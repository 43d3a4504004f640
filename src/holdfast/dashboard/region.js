// A part of a page whose HTML the server writes. What is new is worked into what is there: focus,
// open details, places scrolled to and selections stay.

const same = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName;
const keyOf = (node) => node.dataset?.key;

function patch(old, wanted) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== wanted.nodeValue) old.nodeValue = wanted.nodeValue;
    return;
  }
  for (const { name } of [...old.attributes])
    if (!wanted.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  for (const { name, value } of wanted.attributes)
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  if (old.nodeName !== "INPUT") morph(old, wanted);
}

function morph(parent, wanted) {
  const keyed = new Map();
  for (const child of parent.children) if (keyOf(child)) keyed.set(keyOf(child), child);
  let old = parent.firstChild;
  for (const next of [...wanted.childNodes]) {
    const key = keyOf(next);
    const fits = old && !key && !keyOf(old) && same(old, next) ? old : null;
    const match = key ? keyed.get(key) : fits;
    if (!match || !same(match, next)) {
      parent.insertBefore(next, old);
    } else {
      if (match === old) old = old.nextSibling;
      else parent.insertBefore(match, old);
      patch(match, next);
    }
  }
  while (old) {
    const gone = old;
    old = old.nextSibling;
    gone.remove();
  }
}

export default {
  template: "<div></div>",
  props: { html: String },
  mounted() {
    this.$el.innerHTML = this.html;
    this.$el.addEventListener("click", (event) => {
      const button = event.target.closest("button[data-act]");
      if (button) this.$emit("act", button.dataset.act);
    });
    let waiting = 0;
    this.$el.addEventListener("input", (event) => {
      const { act } = event.target.dataset;
      if (!act) return;
      clearTimeout(waiting);
      waiting = setTimeout(() => this.$emit("act", `${act}:${event.target.value}`), 150);
    });
  },
  watch: {
    html(html) {
      const wanted = document.createElement("template");
      wanted.innerHTML = html;
      morph(this.$el, wanted.content);
    },
  },
};
