// A sign-in link has its token in the fragment, which browsers send to nobody; it goes out in this request's body only.
const token = location.hash.slice(1);

async function enter() {
  history.replaceState(null, "", location.pathname);
  let message = "The router does not answer. Try again.";
  try {
    const response = await fetch("/console/sign-in", {
      method: "POST",
      headers: { Accept: "application/json" },
      body: new URLSearchParams({ link: token }),
    });
    const answer = await response.json();
    if (response.ok) return location.replace(answer.then);
    message = answer.message;
  } catch { /* said below */ }
  const fault = document.getElementById("link-fault");
  fault.textContent = message;
  fault.hidden = false;
}

if (token) enter();
