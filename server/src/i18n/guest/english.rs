//! English texts of the guest pages: short sentences without technical terms, for guests who read them at a
//! party.

use super::{
    AccessRequestTexts, CameraTexts, CodeTexts, EmailTexts, EntryTexts, GuestErrorText, GuestTexts,
    PhotosTexts,
};

pub static WORDS: GuestTexts = GuestTexts {
    door: DOOR,
    camera: CAMERA,
    code: CODE,
    ask: ASK,
    photos: PHOTOS,
    letters: LETTERS,
};

const DOOR: EntryTexts = EntryTexts {
    skip: "Skip to content",
    language: "Language",
    by_studio: |studio| format!("Photographs by {studio}"),
    lead: "Find the photos you are in, without an app. Here, only you, the studio and people in the same photos can see them.",
    steps: [
        "Enter your name.",
        "Show your face to the camera. It takes half a minute.",
        "See your photos. New ones appear by themselves.",
    ],
    step_with_code: "Show your face to the camera, and enter the code from your e-mail. It takes a minute.",
    begin: "Find my photos",
    without_camera: "No camera: ask the studio",
    first_search: "In this event no face is analysed until a guest searches. When you have agreed and shown your face, the faces in all photos of the event are analysed to find yours. If you are the first, that takes a while.",
    neither: "Prefer no face search? Ask the studio in person: it can share photos with you another way, for example in \
              an album with a PIN.",
    no_script: "Finding your photos by camera needs JavaScript. Turn it on and reload the page, or ask the studio for your \
                photos instead.",
    go_on: "See my photos",
    you_title: "Who are you?",
    name: "Your name",
    contact: "E-mail or phone number",
    contact_hint: "The studio can see it. It is not used for advertising. Numbers from outside India need the country code.",
    email: "E-mail address",
    email_hint: "We send you a code, so that no one else finds photos of you in your name. The studio can see the \
                 address. It is not used for advertising.",
    email_wrong: "Please enter an e-mail address. Codes cannot be sent to a phone number.",
    next: "Next",
    back: "Back",
    consent_title: "Before the camera opens",
    i_agree: "I agree that my face is used to find my photos.",
    i_am_adult: "I am 18 or older.",
    both_needed: "Please tick both boxes, or go back and choose “No camera: ask the studio”.",
    consent_changed: "This text has changed. Please reload the page and read it again.",
    contact_wrong: "Please enter an e-mail address or a phone number: 10 digits in India, with the country code (such as \
                    +44) elsewhere.",
    closed_title: "This link does not work",
    closed: "The link has expired, the studio has turned it off, or it is incomplete. Please scan the code again, or ask \
             the studio.",
    failed_title: "That did not work",
    failed: "Something went wrong on our side. Please try again in a moment.",
    no_line: "No internet connection. Please find a better signal and try again.",
};

const CAMERA: CameraTexts = CameraTexts {
    title: "Show your face",
    intro: "Hold the phone at eye level, with light on your face. You will be asked to turn your head three or \
            four times, and the screen will softly change its colour. The camera's pictures are not kept.",
    open: "Open the camera",
    opening: "Opening the camera. Your browser may ask you to allow it.",
    preview: "Your camera's picture, mirrored",
    cancel: "Stop",
    guidance: [
        "Look straight ahead",
        "Turn your head to your left",
        "Turn your head to your right",
        "Lift your chin",
        "Lower your chin",
        "Put your face in the oval",
        "Only one face, please",
        "Come closer",
        "Move back a little",
        "More light on your face, please",
        "Hold still",
    ],
    reasons: [
        GuestErrorText {
            what: "It took too long.",
            remedy: "Try again in a quiet moment: hold the phone at eye level and follow the arrows.",
        },
        GuestErrorText {
            what: "You turned too fast.",
            remedy: "Wait until the arrow appears, then turn your head slowly.",
        },
        GuestErrorText {
            what: "The face in the picture changed.",
            remedy: "Try again. The same person has to stay in front of the camera until the end.",
        },
        GuestErrorText {
            what: "There was more than one face.",
            remedy: "Move away from other people, so that only you are in the picture.",
        },
        GuestErrorText {
            what: "We could not see your face.",
            remedy: "Take off your mask or sunglasses, find more light, and keep your face in the oval.",
        },
        GuestErrorText {
            what: "You turned in the wrong direction.",
            remedy: "Turn your head the way the arrow points. The screen works like a mirror.",
        },
        GuestErrorText {
            what: "The camera seemed to see a picture instead of a person.",
            remedy: "Turn your head and hold the phone still. Light from the front helps.",
        },
        GuestErrorText {
            what: "We could not confirm that a person is in front of the camera.",
            remedy: "Find better light, wipe the lens, and keep screens and photos out of the picture.",
        },
        GuestErrorText {
            what: "The camera's picture was frozen.",
            remedy: "Close other apps that use the camera, then try again.",
        },
    ],
    progress: "{done} of {of} turns done",
    passed: "Done. Looking for your photos…",
    try_again: "Try again",
    failed_title: "Let's try again",
    refused: GuestErrorText {
        what: "The camera is not allowed.",
        remedy: "Open this page's settings next to the web address, allow the camera, then try again.",
    },
    absent: GuestErrorText {
        what: "This device has no camera.",
        remedy: "Open the link on a phone, or ask the studio for your photos.",
    },
    busy: GuestErrorText {
        what: "The camera is in use.",
        remedy: "Close other apps that use the camera, then try again.",
    },
    insecure: GuestErrorText {
        what: "This browser does not open the camera.",
        remedy: "Open the link in your phone's own browser, not inside another app.",
    },
    wait: GuestErrorText {
        what: "Too many attempts.",
        remedy: "Please wait {minutes} min, or ask the studio for your photos.",
    },
    many_people: GuestErrorText {
        what: "Other people have already used this e-mail address or number.",
        remedy: "Do you share a phone? Start again with your own e-mail address, or ask the studio for your photos.",
    },
    needs_email: GuestErrorText {
        what: "Your contact is a phone number, and this event sends a code by e-mail.",
        remedy: "Scan the code again and start with your e-mail address, or ask the studio for your photos.",
    },
    ended: GuestErrorText {
        what: "You have been signed out.",
        remedy: "Please scan the code again.",
    },
    broken: GuestErrorText {
        what: "Something went wrong on our side.",
        remedy: "Please try again in a moment.",
    },
    no_line: GuestErrorText {
        what: "No internet connection.",
        remedy: "Please find a better signal and try again.",
    },
    vibrate: "Vibrate after each turn",
};

const CODE: CodeTexts = CodeTexts {
    title: "Enter the code from your e-mail",
    intro: "We have sent six digits to the address that you entered. They show that the address is yours.",
    label: "Code",
    send: "See my photos",
    again: "Send a new code",
    sent_again: "A new code is on its way. The old one no longer works.",
    not_come: "No e-mail? Look in the spam folder, and check that you entered the right address. The studio may admit \
               only guests on its list.",
    wrong: "This code is wrong or has expired. Please check the newest e-mail, or send a new code.",
    too_many: "Too many wrong codes. Please wait {minutes} min.",
    too_soon: "This address has had several codes. Please use the newest one, or wait {minutes} min.",
    queue_title: "One moment, please",
    queue: "Many guests are looking for their photos. Yours open by themselves; please keep this page open.",
};

const ASK: AccessRequestTexts = AccessRequestTexts {
    title: "Without a camera",
    intro: "The studio looks for you in the photos by hand. If it accepts your request, you get an e-mail with a link to \
            your photos.",
    email: "Your e-mail address",
    email_hint: "We send the link to your photos to this address.",
    email_wrong: "Please check your name and your e-mail address.",
    message: "How can the studio recognise you?",
    message_hint: "For example: the bride's cousin, blue dress, table 4.",
    i_agree: "I agree that the studio picks out my face in the photos, and that my face is used to find my photos.",
    both_needed: "Please tick both boxes. If you do not agree, ask the studio in person for your photos.",
    consent_changed: "This text has changed. Please read it again.",
    send: "Send request",
    sent_title: "Request sent",
    sent: "The studio has your request. If it accepts, you get an e-mail with a link to your photos.",
    with_camera: "Use the camera instead",
};

const PHOTOS: PhotosTexts = PhotosTexts {
    title: "Your photos",
    count: ["{count} photo of you", "{count} photos of you"],
    looking: "Looking for your photos…",
    searching: "The event's photos are being searched. Yours appear here one after the other.",
    none: "No photos yet.",
    none_hint: "We look again whenever the studio adds photos. They appear here by themselves.",
    new: ["{count} new photo", "{count} new photos"],
    photo: "Photo {count}",
    not_me: "That's not me",
    taken_out: "Removed.",
    undo: "Undo",
    also_me: "Is this you, too?",
    also_me_hint: "We are not sure about these faces. Other guests do not see your answers.",
    face: "A face from a photo",
    yes: "Yes, that's me",
    no: "No",
    thanks: "Thank you.",
    previous: "Previous photo",
    next: "Next photo",
    close: "Close",
    position: "{number} of {count}",
    download: "Download",
    download_all: "Download all",
    no_downloads: "The studio has turned off downloads. Ask the studio for copies.",
    tell_title: "New photos",
    tell_intro: |day| {
        format!(
            "We can e-mail you when new photos of you appear, at most once an hour, until {day}."
        )
    },
    tell: "Notify me by e-mail",
    tell_asked: "We have sent you an e-mail. Please open its link and confirm that the address is yours.",
    tell_on: "You get an e-mail when new photos of you appear.",
    tell_stop: "Stop e-mails",
    tell_cannot: "You gave a phone number, and notifications need an e-mail address. New photos still appear on this page.",
    group_title: "Photos with others",
    group_intro: "Find the photos that show you and your friends together. One of you creates a code, and the others enter it.",
    group_make: "Create a code",
    group_code: "Your friend's code",
    group_code_hint: "Ask the friend who created it. A code works for 15 minutes.",
    group_join: "Join",
    group_yours: "Your code. Friends can enter it for 15 minutes:",
    group_wrong: "This code is wrong, or its 15 minutes are over. Check it, or ask your friend for a new one.",
    group_in: "You are in a group.",
    group_leave: "Leave group",
    all: "All my photos",
    together: "Everyone in my group",
    data_title: "Your data",
    data_intro: "Your face is stored as a face template, an encrypted list of numbers, for this event only.",
    open_until: |day| {
        format!(
            "The event ends on {day}. On that day your face template, your name, your contact details and the photos on \
             this page are deleted."
        )
    },
    kept_until: |day, ends| {
        format!(
            "The studio has changed the event: it ends on {ends}. You have not agreed to that, so your face template, your \
             name and your contact details are deleted on {day}. To keep this page, open the event's link again and agree \
             to the new text."
        )
    },
    leave: "Sign out",
    delete: "Delete my face data",
    delete_title: "Delete your face data?",
    delete_what: [
        "Your face template, your name and your contact details are deleted immediately. This cannot be undone. You are signed \
         out.",
        "You no longer see your photos here, and you get no more e-mails.",
        "You get a signed receipt as proof. The studio keeps a copy of the receipt, and a record without your name that \
         consent was given and withdrawn.",
    ],
    delete_faces: "Also delete my face data from the event's photos",
    delete_faces_hint: "A face search then no longer finds you in the event's photos: at once, and for good after 72 hours. Until then the studio, which is told, can undo it, and so can you if your e-mail address is confirmed; it is kept for that e-mail only. The studio keeps the photos.",
    keep_out: "Also keep me out of photos that are added later",
    keep_out_hint: "Only for this, your face template is not deleted: it stays in this event, sealed, until the event's data is deleted. No face search uses it. If the deletion is undone, this ends too.",
    delete_now: "Delete now",
    keep: "Cancel",
    deleting: "Deleting…",
    deleted_title: "Your face data is deleted",
    deleted: "Your face template, your name and your contact details are deleted. Save the receipt if you want proof.",
    deleted_kept_out: "Your name and your contact details are deleted. Your face template is kept, sealed, only to keep you out of photos that are added later; it is deleted with the event's data. Save the receipt if you want proof.",
    receipt: "Receipt",
    receipt_save: "Save receipt",
    signed_out_title: "Scan the code to see your photos",
    signed_out: "You have been signed out, or this is your first visit. Scan the event's code, or open your link again.",
    come_again: "Show your face again",
    failed: "That did not work. Please try again.",
};

const LETTERS: EmailTexts = EmailTexts {
    enter_title: "Your photos are ready",
    enter: "The studio has found you in the photos. This link works once.",
    enter_button: "See my photos",
    notify_title: "E-mails about new photos",
    notify: "Do you want an e-mail when new photos of you appear?",
    notify_button: "Yes, send me e-mails",
    undo_title: "Keep your face data?",
    undo: "Your face in the event's photos is hidden and will be deleted. If you did not request this, show it again. Your \
           own face template and your contact details are deleted already.",
    undo_button: "Undo the deletion",
    undone: "Done. The photos can be found by face again.",
    notified: "Done. You get an e-mail when there are new photos of you.",
    gone: "This link has already been used, has expired, or is incomplete. Please scan the event's code again, or ask the \
           studio for a new link.",
    needs_script: "This page needs JavaScript. Turn it on and reload the page.",
};
